//! Pages that the configuration explains: where things are, in which words, and what has to be sent to be let in.

use super::*;
use crate::harness::{Mode, Reply};

const JSON: &str = "\
format = \"generic_json\"
map = { overall = \"$.state\", components = \"$.parts[*]\", component_name = \"$.label\", component_status = \"$.light\" }
words = { green = \"operational\", amber = \"degraded\", fine = \"operational\" }
";

fn health(state: &str, light: &str) -> Reply {
    let body =
        format!(r#"{{"state": "{state}", "parts": [{{"label": "Queue", "light": "{light}"}}, {{"label": "Search", "light": "green"}}]}}"#);
    Reply::ok().header("content-type", "application/json").body(body)
}

#[test]
fn a_page_of_our_own_words() {
    let mut scene = Scene::new(1, &format!("{QUICK}{JSON}components = [\"Queue\"]\n"));
    scene.page.answers_at("/", health("fine", "green"));
    scene.daemon.start();
    scene.declares(1.0);
    scene.page.answers_at("/", health("fine", "amber"));
    scene.declares(3.0);
    // A word that nobody explained is neither good nor bad news, and somebody hears of it.
    scene.page.answers_at("/", health("fine", "mauve"));
    scene.declares(0.0);
    let drifted = scene.tells(1, "firing", "source.drifted");
    assert!(drifted["summary"].as_str().is_some_and(|text| text.contains("mauve")), "{drifted}");
    assert!(scene.page.asked().iter().all(|asked| asked.target == "/"), "no other place is looked at");
}

#[test]
fn a_token_goes_to_the_page_and_no_further() {
    let elsewhere = FakePage::start();
    let mut scene = Scene::new(1, &format!("{QUICK}{JSON}headers = {{ X-Key = {{ env = \"PAGE_KEY\" }} }}\n"));
    elsewhere.answers_at("/moved", health("fine", "green"));
    scene.page.answers_at("/", Mode::Redirect(format!("{}/moved", elsewhere.url())));
    scene.daemon = scene.daemon.environment([("PAGE_KEY".to_owned(), "canary-4711".to_owned())]);
    scene.daemon.start();
    scene.declares(1.0);
    let sent = scene.page.asked();
    assert!(!sent.is_empty() && sent.iter().all(|asked| asked.header("x-key") == Some("canary-4711")), "{sent:?}");
    let forwarded = elsewhere.asked();
    assert!(!forwarded.is_empty() && forwarded.iter().all(|asked| asked.header("x-key").is_none()), "{forwarded:?}");
}
