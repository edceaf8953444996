//! Tests of the whole system, and of the rules that its sources keep.

mod orders;
mod support;
mod tidy;
