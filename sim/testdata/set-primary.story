# The operator names a primary: the office is handed over, without waiting for a timeout.

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

set-primary n3
----

run 2s
----
   8.3s  n1 is primary no more
   8.3s  n3 is elected primary
   8.3s  n3 serves as primary

show
----
primary: n3, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

create n1 photos
----
  10.5s  bucket photos is made
