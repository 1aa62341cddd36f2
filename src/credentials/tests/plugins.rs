//! Logins from kubelet's credential provider plugins: when they run, and what their answers and failures count for.

use super::*;

#[tokio::test]
async fn a_plugin_runs_once_for_all_that_wait_and_not_while_its_answer_lasts() {
    let slow = format!("sleep 1; {}", answer("*.de", "Registry", "1h", "p"));
    let setup = setup().provider("*.de", &slow);
    let credentials = Credentials::new(setup.sources);
    let setup = Setup { sources: Sources::default(), ..setup };
    let ask = |name: &str| {
        let (credentials, name) = (credentials.clone(), name.parse::<Name>().unwrap());
        async move { credentials.for_target(&name).await.unwrap().unwrap() }
    };
    let (one, two, three) = tokio::join!(ask("h.de/a"), ask("h.de/b"), ask("h.de/a"));
    for credential in [&one, &two, &three] {
        assert_eq!(credential.username.as_deref(), Some("p"));
    }
    assert_eq!(ask("h.de/c").await.username.as_deref(), Some("p"));
    assert_eq!(setup.runs("plugin0"), 1);
    ask("other.de/c").await;
    assert_eq!(setup.runs("plugin0"), 2);
    // A registry that refuses it makes the next pull ask anew, and no other registry's.
    credentials.refused(&"h.de/x".parse().unwrap(), &one);
    ask("other.de/c").await;
    assert_eq!(setup.runs("plugin0"), 2);
    ask("h.de/x").await;
    assert_eq!(setup.runs("plugin0"), 3);
}

#[tokio::test]
async fn a_kept_answer_goes_only_where_its_own_login_was_refused() {
    let setup = setup()
        .entry("h.de/a", "native")
        .provider("*.de", &answer("*.de", "Global", "1h", "p"))
        .provider("*.com", &answer("*.com", "Global", "1h", "q"));
    let credentials = Credentials::new(setup.sources);
    let setup = Setup { sources: Sources::default(), ..setup };
    let ask = async |name: &str| credentials.for_target(&name.parse().unwrap()).await.unwrap().unwrap();
    let refused = |name: &str, by: &Credential| credentials.refused(&name.parse().unwrap(), by);
    let native = ask("h.de/a").await;
    let (p, q) = (ask("h.de/b").await, ask("h.com/b").await);
    // Another source's login, another plugin's, and one that the plugin does not give any more.
    refused("h.de/a", &native);
    refused("h.com/b", &p);
    refused("h.de/b", &q);
    refused("h.de/b", &Credential { proof: Proof::Password(Secret::new("old".to_owned())), ..p.clone() });
    ask("o.de/x").await;
    ask("o.com/x").await;
    assert_eq!((setup.runs("plugin0"), setup.runs("plugin1")), (1, 1));
    // An answer for everything is not used any more for anything.
    refused("h.de/b", &p);
    ask("o.de/x").await;
    ask("o.com/x").await;
    assert_eq!((setup.runs("plugin0"), setup.runs("plugin1")), (2, 1));
}

#[tokio::test]
async fn an_answer_for_one_image_is_for_no_other() {
    // An answer is for the image that was asked for, and for no other.
    let script = "image=$(sed 's/.*\"image\":\"\\([^\"]*\\)\".*/\\1/')\n".to_owned()
        + "printf '{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
           \"cacheKeyType\":\"Image\",\"cacheDuration\":\"1h\",\"auth\":{\"%s\":{\"username\":\"%s\",\"password\":\"p\"}}}' \
           \"$image\" \"$image\"";
    let setup = setup().provider("*.de", &script);
    let credentials = Credentials::new(setup.sources);
    let ask = |name: &str| {
        let (credentials, name) = (credentials.clone(), name.parse::<Name>().unwrap());
        async move { credentials.for_target(&name).await.unwrap().unwrap().username.unwrap() }
    };
    let (one, two) = tokio::join!(
        ask("h.de/a:1"),
        ask("h.de/b@sha256:0000000000000000000000000000000000000000000000000000000000000000")
    );
    assert_eq!((one.as_str(), two.as_str()), ("h.de/a", "h.de/b"));
    let (one, two) = tokio::join!(ask("h.de/a"), ask("h.de/c"));
    assert_eq!((one.as_str(), two.as_str()), ("h.de/a", "h.de/c"));
}

#[tokio::test]
async fn a_failure_for_one_image_is_no_other_images() {
    let script = format!("sleep 1; grep -q h.de/bad && exit 7; {}", answer("*.de", "Registry", "0", "p"));
    let setup = setup().provider("*.de", &script);
    let begun = setup.dir.path().join("plugin0.runs");
    let all = setup.build();
    let meanwhile = async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        found(&all, "h.de/good").await
    };
    let (bad, good) = tokio::join!(found(&all, "h.de/bad"), meanwhile);
    assert!(bad.ends_with("/plugin0 failed (exit status: 7)"), "{bad}");
    assert_eq!(good, "p from credential provider plugin0 (/providers.yaml)");
}

/// The clock goes on only where there is nothing left to do but wait: once the plugin runs and both wait for it.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_is_waited_for_once() {
    let setup = setup().within(Duration::from_secs(2)).provider("*.de", "sleep 600");
    let credentials = Credentials::new(setup.sources);
    let setup = Setup { sources: Sources::default(), ..setup };
    let ask =
        async |name: &str| credentials.for_target(&name.parse().unwrap()).await.unwrap_err().to_string();
    let starts = tokio::task::spawn_blocking({
        let begun = setup.dir.path().join("plugin0.runs");
        move || {
            let mut looks = 0..30_000;
            looks.any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                begun.exists()
            })
        }
    });
    let (one, two, started) = tokio::join!(ask("h.de/a"), ask("h.de/b"), starts);
    assert!(started.unwrap(), "the plugin did not start");
    assert!(one == two && one.ends_with("/plugin0 gave no answer within 2 s and was killed"), "{one}\n{two}");
    assert_eq!(setup.runs("plugin0"), 1);
}

#[tokio::test]
async fn each_fault_of_a_plugin_is_an_error_that_names_it() {
    let told = async |script: &str| {
        let all = setup().provider("*.de", script).build();
        let text = found(&all, "h.de/x").await;
        let head = "no login for h.de: credential provider plugin0 (/providers.yaml): /plugin0 ";
        text.strip_prefix(head).unwrap_or(&text).to_owned()
    };
    let nothing = "gave an unusable answer: ";
    assert_eq!(told("true").await, format!("{nothing}it is empty"));
    assert_eq!(
        told("echo hunter2").await,
        format!("{nothing}it is not JSON: expected value at line 1 column 1")
    );
    assert_eq!(told("echo '[]'").await, format!("{nothing}it is not an object"));
    assert_eq!(
        told("echo '{}'").await,
        format!("{nothing}`kind` is \"\", not \"CredentialProviderResponse\"")
    );
    let beta = answer("*.de", "Image", "0", "x").replace("k8s.io/v1", "k8s.io/v1beta1");
    assert_eq!(
        told(&beta).await,
        format!(
            "{nothing}`apiVersion` is \"credentialprovider.kubelet.k8s.io/v1beta1\", but the plugin \
             was asked with \"credentialprovider.kubelet.k8s.io/v1\""
        )
    );
    let odd = answer("*.de", "Odd", "0", "x");
    assert_eq!(
        told(&odd).await,
        format!("{nothing}`cacheKeyType` is \"Odd\", and must be Image, Registry or Global")
    );
    let odd = answer("*.de", "Image", "soon", "x");
    assert!(told(&odd).await.starts_with(&format!("{nothing}`cacheDuration`: \"soon\" is not a duration")));
    assert_eq!(told("kill -9 $$").await, "failed (signal: 9 (SIGKILL))");
    assert_eq!(told("echo 'no role' >&2; exit 1").await, "failed (exit status: 1): no role");
    assert_eq!(told("head -c 100000000 /dev/zero").await, "wrote more than 1024 KiB and was killed");
    // An answer without logins is an answer.
    assert_eq!(told(&answer("*.com", "Image", "0", "x")).await, "none");
}
