//! Logins in files: a file that changes, a disk that hangs.

use super::*;

#[tokio::test]
async fn what_changes_on_disk_counts_at_the_next_pull() {
    let all = setup().entry("h.de", "robot").docker(r#"{"auths": {"d.de": {"username": "one"}}}"#).build();
    let password = async || {
        let credential = all.1.for_target(&"h.de/x".parse().unwrap()).await.unwrap().unwrap();
        let Proof::Password(password) = credential.proof else { panic!("a password") };
        password.expose().to_owned()
    };
    assert_eq!(password().await, "native");
    std::fs::write(all.0.path().join("password-robot"), "another\n").unwrap();
    assert_eq!(password().await, "another");
    std::fs::write(all.0.path().join("config-0.json"), r#"{"auths": {"d.de": {"username": "two"}}}"#)
        .unwrap();
    assert_eq!(found(&all, "d.de/x").await, "two from docker config /config-0.json");
    std::fs::remove_file(all.0.path().join("password-robot")).unwrap();
    assert_eq!(
        found(&all, "h.de/x").await,
        "no login for h.de: c.toml:1: cannot read /password-robot: No such file or directory (os error 2)"
    );
}

#[test]
fn a_disk_that_hangs_is_not_waited_for_without_end() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap();
    let all = setup().entry("h.de", "robot").build();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let told = runtime.block_on(async {
        // The one thread for files is at a file that does not come.
        drop(tokio::task::spawn_blocking(move || ended.recv()));
        let clock = async {
            tokio::task::yield_now().await;
            tokio::time::advance(READ_WITHIN).await;
        };
        tokio::join!(found(&all, "h.de/x"), clock).0
    });
    drop(end);
    assert_eq!(told, "no login for h.de: credentials: the login files could not be read within 10 s");
}

#[tokio::test(start_paused = true)]
async fn those_who_read_from_a_disk_that_hangs_leave_threads_to_others() {
    let all = setup().entry("h.de", "robot").build();
    let reads = Arc::clone(&all.1.0.as_ref().unwrap().reads);
    // So many have begun to read and do not end.
    let hanging = Arc::clone(&reads).acquire_many_owned(READERS.try_into().unwrap()).await.unwrap();
    let told = "no login for h.de: credentials: the login files could not be read within 10 s";
    assert_eq!(found(&all, "h.de/x").await, told);
    drop(hanging);
    assert!(found(&all, "h.de/x").await.starts_with("robot"));
    assert_eq!(reads.available_permits(), READERS);
}
