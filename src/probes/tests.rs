//! What holds for every kind, and what their tests share.

use std::collections::HashSet;

use super::*;

pub(super) mod counterpart;

/// The reference pages are made of these lists.
#[test]
fn every_key_of_a_kind_is_unique_and_explained() {
    for kind in KINDS {
        let keys: Vec<&Key> = kind.keys.iter().copied().flatten().collect();
        let names: HashSet<_> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), keys.len(), "{}", kind.name);
        for key in keys {
            assert!(!key.help.is_empty() && !key.help.ends_with('.'), "{}", key.name);
            assert!(!key.help.contains('\n'), "{}", key.name);
        }
    }
}
