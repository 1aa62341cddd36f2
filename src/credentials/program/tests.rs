//! Real scripts that misbehave in every way.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

/// A script in a folder of its own.
fn script(dir: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
    let path = dir.path().join("program");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

async fn run(text: &str, input: &[u8], timeout: Duration) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = script(&dir, text, 0o755);
    let environment = [("GIVEN".to_owned(), Secret::new("given".to_owned()))];
    let program = Program { path: &path, arguments: &["one".to_owned()], environment: &environment, timeout };
    let finished = program.run(input.to_vec()).await;
    let result = finished.and_then(|finished| finished.success(&path));
    result.map_err(|error| error.to_string().replace(path.to_str().unwrap(), "PROGRAM"))
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_gets_input_arguments_and_its_own_environment_only() {
    let text = "#!/bin/sh\nread line; echo \"$line $1 $GIVEN ${CARGO_MANIFEST_DIR:-nothing} $PWD\"\n";
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo sets it for tests");
    assert_eq!(run(text, b"in\n", LONG).await.unwrap(), b"in one given nothing /\n");
}

#[tokio::test]
async fn much_input_and_much_output_do_not_wait_for_each_other() {
    let input = vec![b'x'; 900 << 10];
    assert_eq!(run("#!/bin/sh\nexec cat\n", &input, LONG).await.unwrap().len(), input.len());
    assert_eq!(run("#!/bin/sh\necho done\n", &input, LONG).await.unwrap(), b"done\n");
    let complains = "#!/bin/sh\nhead -c 3000000 /dev/zero >&2; echo done\n";
    assert_eq!(run(complains, b"", LONG).await.unwrap(), b"done\n");
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_read() {
    let error = run("#!/bin/sh\nhead -c 100000000 /dev/zero\nsleep 600\n", b"", LONG).await.unwrap_err();
    assert_eq!(error, "PROGRAM wrote more than 1024 KiB and was killed");
}

#[tokio::test]
async fn it_fails_in_its_own_words() {
    let told = run("#!/bin/sh\necho first >&2; printf 'no \\033[31mrole\\n' >&2; exit 3\n", b"", LONG).await;
    assert_eq!(told.unwrap_err(), "PROGRAM failed (exit status: 3): no [31mrole");
    let told = run("#!/bin/sh\necho hunter2; kill -9 $$\n", b"", LONG).await;
    assert_eq!(told.unwrap_err(), "PROGRAM failed (signal: 9 (SIGKILL))");
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let told = async |path: &Path| {
        let program = Program { path, arguments: &[], environment: &[], timeout: LONG };
        let error = program.run(Vec::new()).await.err().unwrap().to_string();
        error.replace(dir.path().to_str().unwrap(), "")
    };
    let missing = dir.path().join("missing");
    assert_eq!(told(&missing).await, "cannot run /missing: No such file or directory (os error 2)");
    let idle = script(&dir, "#!/bin/sh\n", 0o644);
    assert_eq!(told(&idle).await, "cannot run /program: Permission denied (os error 13)");
}

/// Whether a process is there, were it as a zombie of ours; who takes another's exit status is not our business.
fn is_there(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (state, parent) = {
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
    };
    !stat.is_empty() && (state != "Z" || parent == std::process::id().to_string())
}

/// A rest that the paused clock does not skip.
async fn rest() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10))).await.unwrap();
}

/// Waits until a process is gone; five minutes are a hang.
async fn ends(pid: &str) -> bool {
    for _ in 0..30_000 {
        if !is_there(pid) {
            return true;
        }
        rest().await;
    }
    false
}

async fn pids(path: &Path) -> Vec<String> {
    for _ in 0..30_000 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() == 2 {
            return text.lines().map(str::to_owned).collect();
        }
        rest().await;
    }
    panic!("the script did not start");
}

/// The clock goes on only once the script has started, and there is nothing left to do but wait.
#[tokio::test(start_paused = true)]
async fn a_slow_one_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("pids");
    let text = format!("#!/bin/sh\nsleep 600 &\nprintf '%s\\n' $$ $! > {}\nwait\n", list.display());
    let path = script(&dir, &text, 0o755);
    let timeout = Duration::from_secs(2);
    let program = Program { path: &path, arguments: &[], environment: &[], timeout };
    let (result, pids) = tokio::join!(program.run(Vec::new()), pids(&list));
    let error = result.err().unwrap().to_string();
    assert!(error.ends_with("/program gave no answer within 2 s and was killed"), "{error}");
    for pid in pids {
        assert!(ends(&pid).await, "{pid} still runs");
    }
}

#[tokio::test]
async fn one_whose_asker_has_gone_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("pids");
    let text = format!("#!/bin/sh\nsleep 600 &\nprintf '%s\\n' $$ $! > {}\nwait\n", list.display());
    let path = script(&dir, &text, 0o755);
    let program = Program { path: &path, arguments: &[], environment: &[], timeout: LONG };
    let pids = tokio::select! {
        _ = program.run(Vec::new()) => panic!("it sleeps"),
        pids = pids(&list) => pids,
    };
    for pid in pids {
        assert!(ends(&pid).await, "{pid} still runs");
    }
}
