# Three nodes, one of them leaves and comes back: it gives its lease back, so nobody waits for it to run out.

nodes 3
----
   0.0s  n1 is elected primary
   0.0s  n1 serves as primary
   0.1s  map 2: n1 joins
   0.1s  n1 has a lease
   0.2s  map 3: n2 joins
   0.2s  n2 has a lease

run 5s
----
   0.3s  map 4: n3 joins
   0.3s  n3 has a lease

leave n3
----
   5.3s  n3 has no lease any more

run 1s
----
   5.3s  map 5: n3 is down

kill n3
----

run 1s
----

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: down, off

start n3
----

run 3s
----
   7.5s  map 6: n3 is alive
   7.6s  n3 has a lease

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

# The primary leaves: it hands its office over first.

leave n1
----
  10.3s  n1 has no lease any more

run 1s
----
  10.3s  map 7: n1 is down
  10.3s  n1 is primary no more
  10.4s  n2 is elected primary
  10.4s  n2 serves as primary

kill n1
----

create n2 photos
----
  11.4s  bucket photos is made

show
----
primary: n2, voters: n1 n2 n3
holds: nobody is put down: leases of an earlier primary may still be in force
n1: down, off
n2: alive, lease
n3: alive, lease

# A node that is to go for good is drained, then removed: by the primary, once all is settled without it.

start n1
----

run 3s
----
  11.6s  map 8: n1 is alive
  11.7s  n1 has a lease

state n1 decommission
----

run 2s
----
  14.4s  map 9: n1 is decommission
  14.5s  map 10: n1 is removed

leave n1
----
  16.4s  n1 has no lease any more

kill n1
----

show
----
primary: n2, voters: n2
n1: not in the map, off
n2: alive, lease
n3: alive, lease

# Of a node that is silent the primary waits for the end of its lease.

nodes 1
----

run 8s
----
  16.5s  map 11: n4 joins
  16.5s  n4 has a lease

kill n4
----

state n4 decommission
----

run 10s
----
  24.5s  map 12: n4 is decommission
  30.0s  map 14: n4 is removed

remove n4
----

run 1s
----
  34.7s  node.remove is refused: node 0000000000000004 is not in the map

show
----
primary: n2, voters: n2
n1: not in the map, off
n2: alive, lease
n3: alive, lease
n4: not in the map, off
