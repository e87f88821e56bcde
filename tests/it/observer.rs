//! Tests of `observer`.
