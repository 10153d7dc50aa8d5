//! Timetables of what a page listed, and what the archive makes of them.

use proptest::prelude::*;

use super::*;
use crate::model::page::Carries;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1000)
}

fn incident(id: &str, start: i64, end: Option<i64>) -> Incident {
    Incident {
        id: id.into(),
        title: format!("Trouble {id}"),
        impact: Some(Impact::Major),
        stage: Some(if end.is_some() { Stage::Resolved } else { Stage::Investigating }),
        started_at: Some(at(start)),
        stated_start: None,
        undecided: false,
        resolved_at: end.map(at),
        url: None,
        touches: vec![],
        updates: vec![Update { at: Some(at(start)), stage: Some(Stage::Investigating), body: "We look.".into() }],
    }
}

fn page(listing: Listing, incidents: Vec<Incident>) -> Page {
    Page { incidents, carries: Carries { components: false, incidents: listing, maintenances: Listing::Absent }, ..Page::blank("test") }
}

/// A ledger with a store beside it.
#[derive(Default)]
struct Kept {
    ledger: Ledger,
    stored: BTreeMap<Uuid, Record>,
    versions: Vec<Version>,
    ids: u128,
    moved_at: Option<Timestamp>,
}

impl Kept {
    fn read(&mut self, s: i64, live: Page, history: Vec<Page>) -> Vec<Version> {
        let first_sight = self.ledger.is_empty();
        let reading = Reading { at: at(s), live: &live, history: &history, first_sight, moved_at: self.moved_at };
        let ids = &mut self.ids;
        let stored = &self.stored;
        let versions = self.ledger.read(
            &reading,
            |id, _| stored.get(&id).cloned(),
            || {
                *ids += 1;
                Uuid::from_u128(*ids)
            },
        );
        for version in &versions {
            self.stored.insert(version.id, version.record.clone());
        }
        self.versions.extend(versions.iter().cloned());
        versions
    }

    fn open(&self) -> Vec<String> {
        self.ledger.open_ids().into_iter().collect()
    }
}

fn fields(versions: &[Version]) -> Vec<&str> {
    versions.iter().flat_map(|v| v.changes.iter().map(|c| c.field.as_str())).collect()
}

#[test]
fn an_incident_comes_is_edited_and_ends() {
    let mut kept = Kept::default();
    let first = kept.read(
        10,
        page(Listing::Open, vec![incident("a", 5, None)]),
        vec![page(Listing::Recent, vec![incident("a", 5, None), incident("o", 1, Some(2))])],
    );
    assert_eq!(first.iter().map(|v| (v.record.source_id(), v.number, v.imported)).collect::<Vec<_>>(), [("o", 1, true), ("a", 1, false)]);
    assert!(kept.read(20, page(Listing::Open, vec![incident("a", 5, None)]), vec![]).is_empty(), "nothing new is no version");

    let edited = Incident {
        impact: Some(Impact::Minor),
        started_at: Some(at(3)),
        updates: vec![Update { at: Some(at(5)), stage: Some(Stage::Investigating), body: "We looked.".into() }],
        ..incident("a", 5, None)
    };
    let silent = kept.read(30, page(Listing::Open, vec![edited.clone()]), vec![]);
    assert_eq!(fields(&silent), ["impact", "started_at", "update 1970-01-01T00:00:05.000Z"]);
    assert_eq!(silent[0].changes[0], Change::new("impact", json!("major"), json!("minor")));
    assert_eq!(silent[0].changes[1], Change::new("started_at", json!("1970-01-01T00:00:05.000Z"), json!("1970-01-01T00:00:03.000Z")));
    assert_eq!(silent[0].changes[2].after["body"], "We looked.");

    assert!(kept.read(40, page(Listing::Open, vec![]), vec![]).is_empty(), "gone from the list is not over");
    assert_eq!(kept.open(), ["a"]);
    let ended = Incident { stage: Some(Stage::Resolved), resolved_at: Some(at(35)), ..edited };
    let over = kept.read(41, page(Listing::Open, vec![]), vec![page(Listing::Recent, vec![ended.clone(), incident("o", 1, Some(2))])]);
    assert_eq!((fields(&over), over[0].inferred_end, kept.open().len()), (vec!["resolved_at", "stage"], false, 0));

    let later = Incident { impact: Some(Impact::None), ..ended };
    let played_down = kept.read(90, page(Listing::Open, vec![]), vec![page(Listing::Recent, vec![later, incident("o", 1, Some(2))])]);
    assert_eq!((fields(&played_down), played_down[0].number), (vec!["impact"], 4), "also after it was over");
}

#[test]
fn an_incident_that_is_taken_back_is_kept_and_said_to_be() {
    let mut kept = Kept::default();
    let old: Vec<Incident> = (0..5).map(|n| incident(&format!("o{n}"), n, Some(n + 1))).collect();
    let with = |more: Vec<Incident>| page(Listing::Recent, more.into_iter().chain(old.clone()).collect());
    kept.read(10, page(Listing::Open, vec![incident("a", 8, None)]), vec![with(vec![incident("a", 8, None)])]);
    let removed = kept.read(20, page(Listing::Open, vec![]), vec![with(vec![])]);
    assert_eq!(fields(&removed), ["resolved_at", "listed"]);
    assert!(removed[0].removed && removed[0].inferred_end && kept.open().is_empty());
    assert!(kept.read(30, page(Listing::Open, vec![]), vec![with(vec![])]).is_empty(), "once");

    let back = kept.read(40, page(Listing::Open, vec![incident("a", 8, None)]), vec![]);
    assert_eq!((fields(&back), kept.open()), (vec!["resolved_at", "listed"], vec!["a".to_owned()]));

    let shorter = page(Listing::Recent, old[1..].to_vec());
    assert!(
        kept.read(50, page(Listing::Open, vec![incident("a", 8, None)]), vec![shorter]).is_empty(),
        "the oldest leaves the list by age"
    );
    let without = page(Listing::Recent, old.iter().filter(|i| i.id != "o4").cloned().collect());
    let gone = kept.read(60, page(Listing::Open, vec![incident("a", 8, None)]), vec![without]);
    assert_eq!((gone.len(), gone[0].record.source_id(), fields(&gone)), (1, "o4", vec!["listed"]));
}

#[test]
fn where_only_what_is_open_is_listed_absence_ends_it_and_presence_opens_it_again() {
    let mut kept = Kept::default();
    kept.read(10, page(Listing::OpenOnly, vec![incident("a", 5, None)]), vec![]);
    let over = kept.read(20, page(Listing::OpenOnly, vec![]), vec![]);
    assert_eq!((over[0].inferred_end, over[0].record.ends_at(), over[0].removed), (true, Some(at(20)), false));
    let again = kept.read(30, page(Listing::OpenOnly, vec![incident("a", 5, None)]), vec![]);
    assert_eq!((again[0].id, again[0].number, kept.open()), (over[0].id, 3, vec!["a".to_owned()]), "the same one");
}

#[test]
fn leaving_a_history_feed_ends_nothing() {
    let mut kept = Kept::default();
    kept.read(10, page(Listing::Recent, vec![incident("a", 5, None)]), vec![]);
    for live in [page(Listing::Recent, vec![]), page(Listing::Recent, vec![incident("b", 9, Some(9))]), page(Listing::Absent, vec![])] {
        kept.read(20, live, vec![]);
        assert_eq!(kept.open(), ["a"]);
    }
}

#[test]
fn back_dating_one_entry_does_not_take_back_the_others() {
    let mut kept = Kept::default();
    let all: Vec<Incident> = (0..20).map(|n| incident(&format!("i{n:02}"), 100 + n, Some(101 + n))).collect();
    kept.read(200, page(Listing::Open, vec![]), vec![page(Listing::Recent, all.clone())]);
    let mut newest = all[10..].to_vec();
    newest.push(incident("new", 1, Some(190)));
    let versions = kept.read(300, page(Listing::Open, vec![]), vec![page(Listing::Recent, newest)]);
    assert_eq!(versions.iter().map(|v| v.record.source_id()).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn on_another_engine_the_same_incident_is_recognised_and_the_others_do_not_end() {
    let mut kept = Kept::default();
    kept.read(10, page(Listing::Open, vec![incident("a", 5, None), incident("b", 300, None)]), vec![]);
    kept.moved_at = Some(at(20));
    let there = Incident { title: "Trouble a".into(), ..incident("01NEW", 65, None) };
    let live = page(Listing::Open, vec![there.clone()]);
    let stored: Vec<Record> = kept.stored.values().cloned().collect();
    let reading = Reading { at: at(20), live: &live, history: &[], first_sight: true, moved_at: kept.moved_at };
    kept.ledger.recognise(&stored, &reading);
    let versions = kept.read(20, live.clone(), vec![page(Listing::Recent, vec![there])]);
    assert_eq!(
        (versions.len(), versions[0].number, fields(&versions)),
        (1, 2, vec!["id", "started_at", "update 1970-01-01T00:00:05.000Z", "update 1970-01-01T00:01:05.000Z"])
    );
    assert_eq!(kept.open(), ["01NEW", "b"], "b is not on the new page, which says nothing");
    let given_up = kept.read(20 + 86_400, live.clone(), vec![page(Listing::Recent, live.incidents.clone())]);
    assert_eq!((given_up.len(), given_up[0].inferred_end, kept.open()), (1, true, vec!["01NEW".to_owned()]));
}

#[test]
fn without_the_stored_facts_nothing_is_concluded() {
    let mut kept = Kept::default();
    kept.read(10, page(Listing::Recent, vec![incident("a", 5, Some(6))]), vec![]);
    let edited = Incident { impact: None, ..incident("a", 5, Some(6)) };
    let stored = std::mem::take(&mut kept.stored);
    assert!(kept.read(20, page(Listing::Recent, vec![edited.clone()]), vec![]).is_empty());
    kept.stored = stored;
    assert_eq!(fields(&kept.read(30, page(Listing::Recent, vec![edited]), vec![])), ["impact"], "it is noticed later");
}

proptest! {
    /// Facts survive being stored, and their digest with them.
    #[test]
    fn records_are_stored_as_they_are(start in 0i64..9, end in prop::option::of(0i64..9), title in "\\PC{1,9}") {
        let record = Record::Incident(Incident { title, ..incident("a", start, end.map(|e| start + e)) });
        let stored = Record::parse(Kind::Incident, &serde_json::to_string(&record).unwrap()).unwrap();
        prop_assert_eq!(stored.digest(), record.digest());
        prop_assert_eq!(stored, record);
    }
}

#[test]
fn a_history_that_lags_behind_opens_nothing() {
    let mut kept = Kept::default();
    let stale = || vec![page(Listing::Recent, vec![incident("a", 5, None)])];
    assert!(kept.read(10, page(Listing::Open, vec![]), stale()).is_empty(), "the page knows better what is open");
    let over = kept.read(20, page(Listing::Open, vec![]), vec![page(Listing::Recent, vec![incident("a", 5, Some(8))])]);
    assert_eq!((over.len(), over[0].number), (1, 1));
    assert!(kept.read(30, page(Listing::Open, vec![]), stale()).is_empty(), "nor does it open again what is over");
    kept.read(40, page(Listing::Absent, vec![]), stale());
    assert_eq!(kept.open(), ["a"], "where the page does not say, the history does");
}

#[test]
fn what_could_not_be_compared_is_compared_later() {
    let mut kept = Kept::default();
    kept.read(10, page(Listing::Recent, vec![incident("a", 5, Some(6)), incident("b", 5, Some(6))]), vec![]);
    let stored = std::mem::take(&mut kept.stored);
    let edited = Incident { impact: None, ..incident("b", 5, Some(6)) };
    kept.read(20, page(Listing::Recent, vec![incident("a", 5, None), edited]), vec![]);
    assert!(kept.ledger.is_unsettled() && kept.open().is_empty());
    assert!(kept.ledger.settle(at(25), |_, _| None).is_empty() && kept.ledger.is_unsettled());
    // The second one is again as it was before anybody could tell.
    kept.read(30, page(Listing::Recent, vec![incident("a", 5, None), incident("b", 5, Some(6))]), vec![]);
    let versions = kept.ledger.settle(at(40), |id, _| stored.get(&id).cloned());
    assert_eq!((fields(&versions), kept.open()), (vec!["resolved_at", "stage"], vec!["a".to_owned()]));
    assert!(!kept.ledger.is_unsettled());
}
