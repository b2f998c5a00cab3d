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
   0.4s  map 4: n3 joins
   0.5s  n3 has a lease

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
  10.4s  n3 is elected primary
  10.4s  n3 serves as primary

kill n1
----

create n2 photos
----
  11.5s  bucket photos is made

show
----
primary: n3, voters: n1 n2 n3
holds: nobody is put down: leases of an earlier primary may still be in force
n1: down, off
n2: alive, lease
n3: alive, lease

# A node that is to go for good is drained, then removed.

start n1
----

run 3s
----
  11.7s  map 8: n1 is alive
  11.8s  n1 has a lease

state n1 decommission
----

run 2s
----
  14.6s  map 9: n1 is decommission

leave n1
----
  16.5s  n1 has no lease any more

run 1s
----

kill n1
----

settle n2
----

run 1s
----

remove n1
----

run 3s
----
  18.5s  map 10: n1 is removed

show
----
primary: n3, voters: n3
n1: not in the map, off
n2: alive, lease
n3: alive, lease
