//! Downloads from a server of ours, which cuts connections and lies about lengths.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use aaren_datasets::{Dataset, fetch};

/// How a server treats a download.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Sends at most so many bytes in one connection, then closes it.
    Cuts(usize),
    /// Says that the file has some bytes more than it sends.
    Lies,
    /// Ignores the place that a client asks to go on from.
    NoRanges,
}

/// One test at a time: environment variables are the process's.
static ALONE: Mutex<()> = Mutex::new(());

struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

/// Serves files by their paths.
fn serve(files: Vec<(String, Vec<u8>)>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, SeqCst);
            let _ = answer(stream, &files, manner);
        }
    });
    Server { address, connections }
}

fn answer(mut stream: TcpStream, files: &[(String, Vec<u8>)], manner: Manner) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let mut from = 0;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = range.split('-').next().and_then(|place| place.parse().ok()).unwrap_or(0);
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((_, bytes)) = files.iter().find(|(name, _)| name == path) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let from = if manner == Manner::NoRanges { 0 } else { from.min(bytes.len()) };
    let rest = &bytes[from..];
    let said = rest.len() + if manner == Manner::Lies { 7 } else { 0 };
    let (status, range) = match from {
        0 => ("200 OK", String::new()),
        _ => (
            "206 Partial Content",
            format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
        ),
    };
    write!(stream, "HTTP/1.1 {status}\r\n{range}Content-Length: {said}\r\nConnection: close\r\n\r\n")?;
    if method != "HEAD" {
        let sent = if let Manner::Cuts(most) = manner { rest.len().min(most) } else { rest.len() };
        stream.write_all(&rest[..sent])?;
    }
    Ok(())
}

fn form(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms").join(name)
}

/// Runs `work` where downloads go to `server`, and datasets of Minari to `folder`.
fn at<T>(server: &Server, folder: &Path, work: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (variable, value) in [
        ("D4RL_ENDPOINT", server.address.as_str()),
        ("HF_ENDPOINT", server.address.as_str()),
        ("MINARI_DATASETS_PATH", folder.to_str().unwrap()),
        ("no_proxy", "127.0.0.1"),
    ] {
        // SAFETY: no other thread reads the environment meanwhile; the server's does not.
        unsafe { std::env::set_var(variable, value) };
    }
    work()
}

const HOPPER: &str = "/gym_mujoco_v2/hopper_medium-v2.hdf5";

#[test]
fn a_download_goes_on_after_each_cut() {
    let bytes = std::fs::read(form("plain-earliest.hdf5")).unwrap();
    let server = serve(vec![(HOPPER.into(), bytes.clone())], Manner::Cuts(1000));
    let folder = tempfile::tempdir().unwrap();
    let path = at(&server, folder.path(), || fetch("hopper-medium-v2", folder.path(), &|_, _| ())).unwrap();
    assert_eq!(path, folder.path().join("hopper-medium-v2.hdf5"));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(server.connections.load(SeqCst) > bytes.len() / 1000);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    // What is there is not fetched over.
    let error =
        at(&server, folder.path(), || fetch("hopper-medium-v2", folder.path(), &|_, _| ())).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
}

#[test]
fn a_server_that_lies_leaves_no_dataset() {
    let bytes = std::fs::read(form("plain-earliest.hdf5")).unwrap();
    let server = serve(vec![(HOPPER.into(), bytes.clone())], Manner::Lies);
    let folder = tempfile::tempdir().unwrap();
    let error =
        at(&server, folder.path(), || fetch("hopper-medium-v2", folder.path(), &|_, _| ())).unwrap_err();
    let (found, expected) = (bytes.len(), bytes.len() + 7);
    assert!(error.to_string().contains(&format!("found {found} bytes, expected {expected}")), "{error}");
    assert!(!folder.path().join("hopper-medium-v2.hdf5").exists());
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let bytes = std::fs::read(form("plain-earliest.hdf5")).unwrap();
    let server = serve(vec![(HOPPER.into(), bytes.clone())], Manner::NoRanges);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hopper-medium-v2.hdf5.part"), &bytes[..100]).unwrap();
    let path = at(&server, folder.path(), || fetch("hopper-medium-v2", folder.path(), &|_, _| ())).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes);
    let error =
        at(&server, folder.path(), || fetch("hopper-expert-v2", folder.path(), &|_, _| ())).unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    // D4RL's first versions lie elsewhere, and nothing is asked for.
    let asked = server.connections.load(SeqCst);
    let error =
        at(&server, folder.path(), || fetch("hopper-medium-v0", folder.path(), &|_, _| ())).unwrap_err();
    assert!(error.to_string().contains("`aaren data fetch hopper-medium-v2`"), "{error}");
    assert_eq!(server.connections.load(SeqCst), asked);
}

#[test]
fn a_minari_dataset_by_its_id() {
    let mut files = Vec::new();
    let mut list = Vec::new();
    for name in ["data/metadata.json", "data/0/part-0.arrow", "data/1/part-0.arrow"] {
        let bytes = std::fs::read(form("minari/arrow/half-v0").join(name)).unwrap();
        list.push(format!(r#"{{"type": "file", "path": "half-v0/{name}", "size": {}}}"#, bytes.len()));
        files.push((format!("/datasets/farama-minari/forms/resolve/main/half-v0/{name}"), bytes));
    }
    let list = format!("[{}]", list.join(", ")).into_bytes();
    files.push(("/api/datasets/farama-minari/forms/tree/main/half-v0?recursive=true".into(), list));
    let server = serve(files, Manner::Cuts(1 << 20));
    let folder = tempfile::tempdir().unwrap();
    let path = at(&server, folder.path(), || fetch("forms/half-v0", folder.path(), &|_, _| ())).unwrap();
    assert_eq!(path, folder.path().join("forms/half-v0"));
    let found = at(&server, folder.path(), || aaren_datasets::locate("forms/half-v0", Path::new("/nowhere")))
        .unwrap();
    assert_eq!(Dataset::load(&found).unwrap().episodes().len(), 2);
}

#[test]
fn a_part_that_cannot_be_read_is_fetched_anew() {
    let bytes = std::fs::read(form("plain-earliest.hdf5")).unwrap();
    let server = serve(vec![(HOPPER.into(), bytes.clone())], Manner::Cuts(1 << 20));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hopper-medium-v2.hdf5.part"), vec![7; bytes.len()]).unwrap();
    let get = || at(&server, folder.path(), || fetch("hopper-medium-v2", folder.path(), &|_, _| ()));
    let message = get().unwrap_err().to_string();
    assert!(message.contains("not a readable HDF5 file"), "{message}");
    assert_eq!(std::fs::read(get().unwrap()).unwrap(), bytes);
}

#[test]
fn a_combined_dataset_leads_nowhere_else() {
    let metadata = r#"{"combined_datasets": ["../../elsewhere"]}"#;
    let list =
        format!(r#"[{{"type": "file", "path": "both-v0/data/metadata.json", "size": {}}}]"#, metadata.len());
    let server = serve(
        vec![
            ("/api/datasets/farama-minari/forms/tree/main/both-v0?recursive=true".into(), list.into()),
            ("/datasets/farama-minari/forms/resolve/main/both-v0/data/metadata.json".into(), metadata.into()),
        ],
        Manner::Cuts(1 << 20),
    );
    let folder = tempfile::tempdir().unwrap();
    let error = at(&server, folder.path(), || fetch("forms/both-v0", folder.path(), &|_, _| ())).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("combined_datasets: found `../../elsewhere`; expected ids of Minari's"),
        "{message}"
    );
}
