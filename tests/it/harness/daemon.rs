//! The real binary in a temporary directory of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::http::{self, Page};
use super::{free_port, s, wait_for};

const READY_WITHIN: Duration = s(10);
/// What a service manager would grant, and our own promise is shorter.
const STOP_WITHIN: Duration = s(10);
const CLI_WITHIN: Duration = s(30);
/// How much of the log a failed test shows.
const TAIL_BYTES: usize = 4000;

pub struct Daemon {
    binary: PathBuf,
    directory: tempfile::TempDir,
    pub port: u16,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

/// What a command printed.
#[derive(Clone, Debug)]
pub struct Printed {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Printed {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl Daemon {
    /// Writes `vendord.toml`, with `{port}` and `{dir}` filled in, and `vendors/<id>.toml`. Starts nothing.
    pub fn new(config: &str, vendors: &[(&str, &str)]) -> Daemon {
        Daemon::of(env!("CARGO_BIN_EXE_vendord"), config, vendors)
    }

    /// Another binary that takes the same arguments.
    pub fn of(binary: impl Into<PathBuf>, config: &str, vendors: &[(&str, &str)]) -> Daemon {
        let daemon = Daemon {
            binary: binary.into(),
            directory: tempfile::Builder::new().prefix("vendord-it-").tempdir().expect("a temporary directory"),
            port: free_port(),
            environment: Vec::new(),
            child: None,
        };
        fs::create_dir(daemon.path("vendors")).expect("the directory is ours");
        daemon.write_config(config);
        for (id, text) in vendors {
            daemon.write_vendor(id, text);
        }
        daemon
    }

    /// For the daemon and for every command after it: what [`super::Shim::environment`] asks for, for example.
    pub fn environment(mut self, more: impl IntoIterator<Item = (String, String)>) -> Daemon {
        self.environment.extend(more);
        self
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub fn write_config(&self, config: &str) {
        let filled = config.replace("{port}", &self.port.to_string()).replace("{dir}", &self.directory().to_string_lossy());
        fs::write(self.path("vendord.toml"), filled).expect("the directory is ours");
    }

    pub fn write_vendor(&self, id: &str, text: &str) {
        fs::write(self.path("vendors").join(format!("{id}.toml")), text).expect("the directory is ours");
    }

    pub fn remove_vendor(&self, id: &str) {
        fs::remove_file(self.path("vendors").join(format!("{id}.toml"))).expect("the file was there");
    }

    /// Starts it and waits until it says that it is ready; how long that took.
    #[track_caller]
    pub fn start(&mut self) -> Duration {
        let began = Instant::now();
        self.spawn();
        while !self.is_ready() {
            if let Some(status) = self.ended() {
                panic!("the daemon ended at start with {status}:\n{}", self.tail());
            }
            assert!(began.elapsed() < READY_WITHIN, "not ready within {READY_WITHIN:?}:\n{}", self.tail());
            std::thread::sleep(super::ms(5));
        }
        began.elapsed()
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.path("vendord.log")).expect("the directory is ours");
        let errors = log.try_clone().expect("a second handle");
        let mut command = self.command();
        command.arg("run").stdin(Stdio::null()).stdout(log).stderr(errors);
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.path("vendord.toml")).env("NO_COLOR", "1");
        command.envs(self.environment.iter().cloned());
        command
    }

    pub fn is_ready(&self) -> bool {
        self.get("/-/ready").is_ok_and(|page| page.status == 200)
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("our own child")
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is what a test of that looks for elsewhere.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop and waits until it has.
    #[track_caller]
    pub fn term(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_end(STOP_WITHIN)
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait_end(&mut self, within: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it was started");
        let status = end_of(&mut child, within);
        status.unwrap_or_else(|| panic!("did not end within {within:?}:\n{}", self.tail()))
    }

    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        kill_process(Pid::from_child(child), signal).expect("our own child, not yet waited for");
    }

    pub fn log(&self) -> String {
        let bytes = fs::read(self.path("vendord.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the log, for a failing test.
    pub fn tail(&self) -> String {
        let log = self.log();
        let from = log.ceil_char_boundary(log.len().saturating_sub(TAIL_BYTES));
        log[from..].to_owned()
    }

    pub fn get(&self, path: &str) -> std::io::Result<Page> {
        http::get(self.port, path)
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Page> {
        http::post(self.port, path, headers, body)
    }

    /// Empty when it does not answer.
    pub fn metrics(&self) -> Metrics {
        let page = self.get("/metrics").ok().filter(|page| page.status == 200);
        Metrics::parse(&page.map(|page| page.text()).unwrap_or_default())
    }

    /// The value of the first series of `name` that carries these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.metrics().get(name, labels)
    }

    /// Runs a command on the same configuration, to its end.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Printed {
        let [out, err] = [(); 2].map(|()| tempfile::NamedTempFile::new().expect("a temporary file"));
        let file = |of: &tempfile::NamedTempFile| of.reopen().expect("a second handle");
        let mut command = self.command();
        command.args(args).stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let mut child = command.spawn().expect("the binary starts");
        let status = end_of(&mut child, CLI_WITHIN);
        let read = |of: &tempfile::NamedTempFile| String::from_utf8_lossy(&fs::read(of.path()).expect("our own file")).into_owned();
        Printed {
            status: status.unwrap_or_else(|| panic!("`vendord {}` did not end within {CLI_WITHIN:?}", args.join(" "))),
            out: read(&out),
            err: read(&err),
        }
    }

    #[track_caller]
    pub fn cli_json(&self, args: &[&str]) -> serde_json::Value {
        let printed = self.cli(&[args, &["--json"]].concat());
        serde_json::from_str(&printed.out)
            .unwrap_or_else(|e| panic!("`vendord {} --json` printed no JSON ({e}): {printed:?}", args.join(" ")))
    }

    /// [`wait_for`] with the end of the log when it fails.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, within: Duration, mut look: impl FnMut(&Daemon) -> Option<T>) -> T {
        let began = Instant::now();
        wait_for(what, within + s(5), || {
            let found = look(self);
            assert!(found.is_some() || began.elapsed() < within, "{what}: not within {within:?}:\n{}", self.tail());
            found
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("the daemon's log ends:\n{}", self.tail());
        }
    }
}

/// How `child` ended; killed and `None` if it did not in time.
fn end_of(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            return Some(status);
        }
        if began.elapsed() >= within {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(super::ms(5));
    }
}

/// The text exposition, read by a reader that knows nothing of the writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(pub BTreeMap<String, Vec<Series>>);

type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub value: f64,
}

impl Metrics {
    /// Panics at a line that is neither a comment nor a sample.
    pub fn parse(text: &str) -> Metrics {
        let mut all = Metrics::default();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (name, labels, value) = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
            all.0.entry(name).or_default().push(Series { labels, value });
        }
        all
    }

    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.series(name, labels).next().map(|s| s.value)
    }

    /// Over all series that carry these labels; 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|s| s.value).sum()
    }

    pub fn series<'a>(&'a self, name: &str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Series> {
        let carries = |s: &&Series| labels.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|have| have == v));
        self.0.get(name).into_iter().flatten().filter(carries)
    }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    Some((name.to_owned(), labels, value.parse().ok()?))
}

/// `a="b",c="d"} 1`: the labels and what follows the brace.
fn labels(mut text: &str) -> Option<(Labels, &str)> {
    let mut found = Labels::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, after) = text.split_once("=\"")?;
        let (value, rest) = quoted(after)?;
        found.insert(name.to_owned(), value);
        text = rest;
    }
}

/// The text up to the closing quote, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
