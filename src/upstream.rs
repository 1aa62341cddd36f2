//! upstream (to come)
