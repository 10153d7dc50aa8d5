//! The pages in a real browser: nothing is refused by our own policy, nothing is cut off on a phone, everything can be read
//! in light and dark, and keys and filters do what they say.

use super::Scene;
use crate::harness::{Browser, s, skip};

/// Text that is hard to read: (text, contrast) below what WCAG 2.2 asks for (4.5, or 3 for large text).
const PALE: &str = r#"(() => {
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); return [...paint.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const l = (c) => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; return .2126 * l(r) + .7152 * l(g) + .0722 * l(b); };
  const ground = (element) => { for (let e = element; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || element.closest("svg") || element.closest(".vh") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), a = light(rgba(style.color)), b = light(ground(element));
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    if (contrast < (large ? 3 : 4.5)) pale.push(`${text.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return [...new Set(pale)].join("; ");
})()"#;

/// Everything that can be pressed and is smaller than 24 pixels, unless it stands in a line of text.
const SMALL: &str = r#"[...document.querySelectorAll("header a, button, select, input, .chips a, .range a, .tabs a")]
  .filter((e) => e.checkVisibility() && !e.closest(".vh")).map((e) => [e, e.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < 24 && !(box.height >= 13 && box.width >= 13 && box.height < 16) || box.width < 13)).map(([e]) => e.outerHTML.slice(0, 80)).join("; ")"#;

#[test]
fn pages_hold_in_a_real_browser() {
    let Some(mut browser) = Browser::start() else {
        return skip("pages in a browser", "there is no chromium on PATH");
    };
    let scene = Scene::start("");
    scene.daemon.wait_for("bars", s(20), |_| scene.get("/").text().contains("class=\"bar\"").then_some(()));
    let incident = format!("/incidents/{}", scene.ids("incidents")[0]);
    let outage = format!("/outages/{}", scene.ids("outages")[0]);
    let pages = ["/", "/vendors/broken?range=24h", "/vendors/tide", "/incidents", &incident, &outage, "/runbooks/vendor.down", "/nothing"];
    for (dark, width) in [(false, 1280), (true, 1280), (false, 360), (true, 320)] {
        browser.looks(width, dark);
        for path in pages {
            let at = format!("{path} at {width}, dark {dark}");
            browser.open(&format!("http://127.0.0.1:{}{path}", scene.daemon.port));
            let complaints: Vec<String> =
                browser.complaints().into_iter().filter(|said| !(path == "/nothing" && said.contains("404"))).collect();
            assert!(complaints.is_empty(), "{at}: {complaints:?}");
            let wide = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap_or_default();
            assert!(wide <= u64::from(width), "{at}: {wide} wide");
            assert_eq!(browser.evaluate(PALE), "", "{at}");
            assert_eq!(browser.evaluate(SMALL), "", "{at}");
            let picture = browser.picture();
            assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5_000, "{at}: {} bytes", picture.len());
            keep(&picture, path, width, dark);
        }
    }
}

/// What the test above finds nothing of is found where it is.
#[test]
fn the_browser_tells_what_is_wrong() {
    let Some(mut browser) = Browser::start() else {
        return skip("complaints of a browser", "there is no chromium on PATH");
    };
    let scene = Scene::start("");
    browser.looks(1280, false);
    browser.open(&format!("http://127.0.0.1:{}/", scene.daemon.port));
    browser.evaluate("document.querySelector('h1').style.color = '#c0c0c0'");
    browser.evaluate("document.querySelector('select').style.cssText = 'height: 18px; min-height: 0'");
    assert!(browser.evaluate(PALE).as_str().is_some_and(|pale| pale.contains("vendors")));
    assert!(browser.evaluate(SMALL).as_str().is_some_and(|small| small.contains("select")));
    browser.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')");
    browser.evaluate("document.body.style.width = '2000px'; document.documentElement.scrollWidth");
    let complaints = browser.complaints();
    assert!(complaints.iter().any(|said| said.contains("Content Security Policy")), "{complaints:?}");
}

/// For people who want to see what the test saw: `VENDORD_PICTURES` names a directory.
fn keep(picture: &[u8], path: &str, width: u32, dark: bool) {
    let Some(directory) = std::env::var_os("VENDORD_PICTURES") else { return };
    let head = path.split('?').next().unwrap_or_default().trim_matches('/').replace('/', "-");
    let name: String = head.chars().take(24).collect();
    let file = format!("{}-{width}{}.png", if name.is_empty() { "fleet" } else { &name }, if dark { "-dark" } else { "" });
    std::fs::write(std::path::Path::new(&directory).join(file), picture).expect("the directory is there");
}

#[test]
fn pages_are_complete_without_scripts_and_quicker_with_them() {
    let Some(mut browser) = Browser::start() else {
        return skip("keys and filters", "there is no chromium on PATH");
    };
    let scene = Scene::start("");
    let address = format!("http://127.0.0.1:{}", scene.daemon.port);
    const LINKS: &str = "[...document.querySelectorAll('main a')].map((a) => a.getAttribute('href')).sort().join(' ')";
    for path in ["/", "/vendors/tide", "/incidents"] {
        browser.scripts(false);
        browser.open(&format!("{address}{path}"));
        let (without, heading) = (browser.evaluate(LINKS), browser.evaluate("document.querySelector('h1').innerText"));
        browser.scripts(true);
        browser.open(&format!("{address}{path}"));
        assert_eq!((browser.evaluate(LINKS), browser.evaluate("document.querySelector('h1').innerText")), (without, heading), "{path}");
    }
    scene.daemon.wait_for("bars", s(20), |_| scene.get("/").text().contains("measured down").then_some(()));
    browser.open(&format!("{address}/"));
    const ROWS: &str = "[...document.querySelectorAll('[data-find]:not([hidden])')].filter((tr) => tr.checkVisibility()).length";
    assert_eq!(browser.evaluate(ROWS), 4);
    browser.key("/");
    for key in ["t", "i", "d", "e"] {
        browser.key(key);
    }
    assert_eq!((browser.evaluate("document.activeElement.value"), browser.evaluate(ROWS)), ("tide".into(), 1.into()));
    browser.open(&format!("{address}/"));
    browser.key("j");
    browser.key("j");
    let at = "document.querySelector('.at').dataset.find.length > 0 && document.activeElement.closest('.at') !== null";
    assert_eq!(browser.evaluate(at), true);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}
