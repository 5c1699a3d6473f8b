//! Verification of requests: the signature of an attempt step by step, and code for receivers in their own languages.

pub(crate) mod recipe;
pub(crate) mod snippets;
pub(crate) mod workbench;
