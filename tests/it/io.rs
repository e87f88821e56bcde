//! Tests of `io`.
