//! socket (to come)
