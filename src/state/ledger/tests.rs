//! The ledger alone, on a folder of its own and without a containerd.

use super::*;

fn intend(ledger: &Arc<Ledger>, name: &Name, gate: OwnedRwLockReadGuard<()>) -> Ticket {
    let mut inner = ledger.lock();
    inner.version += 1;
    let repository = inner.repositories.entry(name.repository().to_owned()).or_default();
    repository.book.intend(name.as_str(), &[], 0);
    Ticket::new(ledger, &mut inner, name, gate, true)
}

async fn ticket(ledger: &Arc<Ledger>, name: &str) -> Ticket {
    let name: Name = name.parse().unwrap();
    let gate = ledger.enter(name.repository()).await;
    intend(ledger, &name, gate)
}

#[tokio::test]
async fn a_save_whose_caller_leaves_does_not_let_a_second_writer_in() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(directory.path().to_owned()).unwrap());
    let mut tickets = Vec::new();
    for number in 0..200 {
        tickets.push(ticket(&ledger, &format!("m.example/r{number}/{}:1", "x".repeat(100))).await);
        if number % 2 == 0 {
            // Left at its first pause, while the write is under way.
            let mut left = Box::pin(ledger.save());
            let _mostly_pending = futures_util::poll!(left.as_mut());
        } else {
            ledger.save().await.unwrap();
            let known = file::read(&directory.path().join("mirror-names.json")).unwrap();
            assert_eq!(known.len(), number + 1, "every intent is on disk once a later save has ended");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repository_is_due_when_its_last_pull_has_rested() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(directory.path().to_owned()).unwrap());
    let rest = Duration::from_secs(30);
    let first = ticket(&ledger, "m.example/r:1").await;
    let second = ticket(&ledger, "m.example/r:2").await;
    drop(first);
    tokio::time::advance(rest).await;
    assert!(ledger.due(rest).is_none(), "the other pull is under way");
    drop(second);
    assert!(ledger.due(rest).is_none());
    tokio::time::advance(rest).await;
    let due = ledger.due(rest).unwrap();
    assert_eq!(due.repository(), "m.example/r");
    assert!(ledger.due(rest).is_none(), "it is being swept");
    due.done(BTreeMap::new(), Stamp::late());
    assert_eq!(ledger.pending(), 0);
    assert!(ledger.lock().repositories.is_empty(), "nothing is kept of it");
}

#[tokio::test]
async fn a_pull_waits_while_its_repository_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(directory.path().to_owned()).unwrap());
    drop(ticket(&ledger, "m.example/r:1").await);
    tokio::time::sleep(SHORTEST_REST).await;
    let due = ledger.due(Duration::ZERO).unwrap();
    let mut entering = Box::pin(ledger.enter("m.example/r"));
    assert!(futures_util::poll!(entering.as_mut()).is_pending());
    let mut elsewhere = Box::pin(ledger.enter("m.example/s"));
    assert!(futures_util::poll!(elsewhere.as_mut()).is_ready());
    due.done(BTreeMap::new(), Stamp::late());
    entering.await;
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mirror-names.json");
    for text in ["not JSON", r#"{"version":2,"repositories":{}}"#] {
        std::fs::write(&path, text).unwrap();
        let ledger = Arc::new(Ledger::open(directory.path().to_owned()).unwrap());
        assert_eq!(ledger.pending(), 0);
        let aside = directory.path().join("mirror-names.json.unreadable");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), text);
        let _ticket = ticket(&ledger, "m.example/r:1").await;
        ledger.save().await.unwrap();
    }
    let again = Ledger::open(directory.path().to_owned()).unwrap();
    assert_eq!(again.pending(), 1, "what came after is there after the next start");
}
