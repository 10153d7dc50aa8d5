//! Whole documents, read as anybody reads them.
