//! listener (to come)
