# A cluster grows from one node to five. The first is a quorum of one and needs nobody. A second proxy
# learns; with the third there are three voters.

nodes 1
----
   0.0s  n1 is elected primary
   0.0s  n1 serves as primary

run 2s
----
   0.1s  map 2: n1 joins
   0.1s  n1 has a lease

create n1 photos
----
   2.2s  bucket photos is made

show
----
primary: n1, voters: n1
n1: alive, lease

nodes 1
----

run 3s
----
   2.3s  map 3: n2 joins
   2.3s  n2 has a lease

show
----
primary: n1, voters: n1
n1: alive, lease
n2: alive, lease

nodes 1
----

run 3s
----
   5.6s  map 4: n3 joins
   5.6s  n3 has a lease

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

create n3 videos
----
   8.6s  bucket videos is made

# A target that is no proxy learns for ever.

nodes 2 target
----

run 3s
----
   8.8s  map 5: n5 joins
   8.9s  map 6: n4 joins
   8.9s  n5 has a lease
   9.0s  n4 has a lease

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease
n4: alive, lease
n5: alive, lease
