"""The arithmetics that a network can be walked along in: see `hwsim.datapath.walk.Arithmetic`."""
