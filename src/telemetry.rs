//! log set-up (to come)
