# Three nodes; two are lost for ever, and with them the quorum. The operator has the survivor start a new
# generation, after a full lease. New nodes join it.

nodes 3
----
   0.0s  n1 is elected primary
   0.0s  n1 serves as primary
   0.1s  map 2: n1 joins
   0.1s  n1 has a lease
   0.2s  map 3: n2 joins
   0.2s  n2 has a lease

run 8s
----
   0.3s  map 4: n3 joins
   0.3s  n3 has a lease

create n1 photos
----
   8.4s  bucket photos is made

kill n1
----

kill n2
----

create n3 videos
----
  13.3s  n3 has no lease any more
  18.4s  bucket videos: no answer within 10 s

show
----
primary: none
n1: alive, off
n2: alive, off
n3: alive, no lease

kill n3
----

force-new n3
----
  24.4s  map 1048581: n1 is down, n2 is down
  24.4s  n3 begins generation 2

run 2s
----
  24.4s  n3 is elected primary
  24.4s  n3 serves as primary
  24.5s  map 1048582: n3 has a new seat
  24.5s  n3 has a lease

create n3 videos
----
  26.5s  bucket videos is made

show
----
primary: n3, voters: n3
holds: nobody is put down: leases of an earlier primary may still be in force
n1: down, off
n2: down, off
n3: alive, lease

nodes 2
----
  26.6s  map 1048583: n4 joins
  26.6s  n4 has a lease

run 5s
----
  26.7s  map 1048584: n5 joins
  26.7s  n5 has a lease

show
----
primary: n3, voters: n3 n4 n5
n1: down, off
n2: down, off
n3: alive, lease
n4: alive, lease
n5: alive, lease

# A node that was believed to be lost comes back with the state of the old generation. It is told of the new
# one and joins it like a new node.

start n1
----
  31.7s  n1 has no lease any more

run 10s
----
  32.2s  n1 learns of generation 2: it sets its log aside and joins anew
  32.5s  map 1048585: n1 is alive
  32.6s  n1 has a lease

show
----
primary: n3, voters: n3 n4 n5
n1: alive, lease
n2: down, off
n3: alive, lease
n4: alive, lease
n5: alive, lease

create n1 letters
----
  41.9s  bucket letters is made
