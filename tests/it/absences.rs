//! Tests of `absences`.
