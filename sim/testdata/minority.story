# The primary is cut off with one node of five. The others elect a new one; the old one takes no command and
# its leases run out. When the network heals it learns all that it missed.

nodes 5
----
   0.0s  n1 is elected primary
   0.0s  n1 serves as primary
   0.1s  map 2: n1 joins
   0.1s  n1 has a lease
   0.2s  map 3: n2 joins
   0.2s  n2 has a lease
   0.3s  map 4: n3 joins
   0.3s  n3 has a lease

run 10s
----
   0.5s  map 5: n4 joins
   0.6s  n4 has a lease
   0.7s  map 6: n5 joins
   0.8s  n5 has a lease

cut n1 n2 | n3 n4 n5
----

create n1 lost
----
  11.3s  n1 is primary no more
  11.4s  n5 is elected primary
  11.4s  n5 serves as primary
  16.0s  n2 has no lease any more
  16.0s  n1 has no lease any more
  20.5s  bucket lost: no answer within 10 s

create n4 kept
----
  20.8s  bucket kept is made, after 0.2 s

run 5s
----
  23.6s  map 7: n1 is down, n2 is down

show
----
primary: n5, voters: n1 n2 n3 n4 n5
n1: down, no lease
n2: down, no lease
n3: alive, lease
n4: alive, lease
n5: alive, lease

heal
----

run 5s
----
  25.9s  map 8: n1 is alive, n2 is alive
  26.0s  n1 has a lease
  26.0s  n2 has a lease

show
----
primary: n5, voters: n1 n2 n3 n4 n5
n1: alive, lease
n2: alive, lease
n3: alive, lease
n4: alive, lease
n5: alive, lease

create n1 photos
----
  31.0s  bucket photos is made
