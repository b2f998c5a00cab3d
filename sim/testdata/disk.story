# A voter finds its log damaged. It keeps its objects and its place as a target, loses its vote, and learns
# the state anew under a new seat; then it votes again.

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

damage n3
----

run 2s
----

start n3
----
  10.3s  n3 finds its log damaged and sets it aside
  10.3s  n3 has no lease any more

run 5s
----
  13.7s  map 5: n3 has a new seat
  13.8s  n3 has a lease

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

create n3 photos
----
  15.5s  bucket photos is made
