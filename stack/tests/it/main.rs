//! Tests of the whole system, and of the rules that its sources keep.

mod support;
mod tidy;
