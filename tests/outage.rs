//! `on-outage = "present"`: a pull that no registry can serve is answered with the image on the node, and only such a
//! pull.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use k8s_cri::v1::{AuthConfig, ContainerStatusRequest};
use support::behaviour::Wrong;
use support::containerd::Containerd;
use support::cri::{Cri, user_and_password};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::pod::{self, Pod};
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::{Code, Status};

const ON: &str = "on-outage = \"present\"\n";

/// What is said once, where the image on the node is the answer.
const SAID: &str = "answered with the image on the node: no registry can serve it";

/// Two mirrors of one repository, and the shunt before them.
struct Setup {
    containerd: &'static Containerd,
    registry: &'static Registry,
    mirrors: [Fake; 2],
    image: Image,
    repository: String,
    shunt: Shunt,
}

impl Setup {
    /// `keys` stand in the rule. Nothing is pulled yet.
    fn start(version: Version, test: &str, keys: &str) -> Option<Setup> {
        let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
        // Each containerd has its own: some tests move the tag.
        let repository = format!("outage-{test}/{}/app", version.line());
        let image = Image::busybox(&format!("outage-{test}"));
        registry.push(&repository, "1", &image);
        let mirrors = [(); 2].map(|()| Fake::in_front_of(registry.host()));
        let config = config(test, &mirrors, keys);
        let shunt = Shunt::start(&config, containerd);
        Some(Setup { containerd, registry, mirrors, image, repository, shunt })
    }

    fn name(&self) -> String {
        format!("docker.io/{}:1", self.repository)
    }

    async fn cri(&self) -> Cri {
        Cri::connect(&self.shunt.socket()).await
    }

    async fn pull_with(&self, auth: Option<AuthConfig>) -> Result<String, Status> {
        self.cri().await.pull_with(&self.name(), auth).await
    }

    async fn pull(&self) -> Result<String, Status> {
        self.pull_with(None).await
    }

    /// From now on the mirrors answer so.
    fn all(&self, statuses: [u16; 2]) {
        for (mirror, status) in self.mirrors.iter().zip(statuses) {
            mirror.on("/v2/", Behaviour::Status(status));
            mirror.forget();
        }
    }

    fn mend(&self) {
        self.mirrors.iter().for_each(|mirror| mirror.on("/v2/", Behaviour::Forward));
    }

    /// How many requests each mirror saw since they fail.
    fn asked(&self) -> [usize; 2] {
        self.mirrors.each_ref().map(|mirror| mirror.records().len())
    }

    async fn provenance(&self) -> serde_json::Value {
        let verbose = self.cri().await.status_verbose(&self.name(), true).await.unwrap();
        serde_json::from_str(&verbose.info["cri-shunt"]).unwrap()
    }

    /// The pull is refused as it would be without the setting, and the log says why the image is not the answer.
    async fn is_refused(&self, auth: Option<AuthConfig>, why: &str) {
        let status = self.pull_with(auth).await.unwrap_err();
        assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
        let said = self.shunt.stderr();
        assert!(said.contains(why) && !said.contains(SAID), "{why}: {said}");
    }
}

fn config(test: &str, mirrors: &[Fake; 2], keys: &str) -> String {
    let hosts = mirrors.each_ref().map(Fake::host);
    format!("{}{keys}", rule(&format!("docker.io/outage-{test}"), &hosts.each_ref().map(String::as_str)))
}

async fn the_image_on_the_node_is_the_answer_while_no_registry_serves(version: Version) {
    let Some(test) = Setup::start(version, "serves", ON) else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    assert_eq!(test.provenance().await["answeredInOutage"], serde_json::Value::Null);
    assert!(!test.shunt.status().contains("from the node"), "{}", test.shunt.status());

    test.all([500, 502]);
    let id = test.pull().await.unwrap();
    assert_eq!((id.as_str(), test.asked()), (test.image.id().as_str(), [1, 1]));
    // As kubelet looks for it then.
    let cri = test.cri().await;
    for name in [&test.name(), &id] {
        assert_eq!(cri.status(name).await.unwrap().unwrap().id, id);
    }
    let said = test.shunt.stderr();
    assert_eq!(said.matches(SAID).count(), 1, "{said}");
    for mirror in &test.mirrors {
        assert!(said.contains(&format!("{} server-error", mirror.host())), "{said}");
    }
    let status = test.shunt.status();
    let shown = format!("from the node    1 (no registry could serve), the last {} at ", test.name());
    assert!(status.contains(&shown), "{status}");
    assert_ne!(test.provenance().await["answeredInOutage"], serde_json::Value::Null);
    let explained = String::from_utf8(test.shunt.run("explain", &[&test.name()]).stdout).unwrap();
    let shown = "on outage   the image on the node, if it was pulled with the same login";
    assert!(explained.contains(shown), "{explained}");

    // By its digest too, which was pulled as well, and at a registry that limits requests.
    test.all([429, 500]);
    let by_digest = format!("docker.io/{}@{}", test.repository, test.image.digest());
    assert_eq!(test.cri().await.pull(&by_digest).await.unwrap(), id);

    // After a restart, and where nobody listens.
    test.shunt.write_config(&(rule("docker.io/outage-serves", &["127.0.0.1:1"]) + ON), test.containerd);
    test.shunt.restart();
    assert_eq!(test.pull().await.unwrap(), id);

    // What is not there cannot be the answer.
    let other = format!("docker.io/{}:2", test.repository);
    let status = test.cri().await.pull(&other).await.unwrap_err();
    assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
    assert!(test.shunt.stderr().contains("it is not on the node"), "{}", test.shunt.stderr());

    test.shunt.write_config(&config("serves", &test.mirrors, ON), test.containerd);
    test.shunt.restart();
    test.mend();
    assert_eq!(test.pull().await.unwrap(), id);
    assert_eq!(test.provenance().await["answeredInOutage"], serde_json::Value::Null);
}

async fn a_registry_that_says_no_is_believed(version: Version) {
    let Some(test) = Setup::start(version, "says-no", ON) else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    for status in [401, 403, 404] {
        for statuses in [[500, status], [status, 500]] {
            test.all(statuses);
            let refused = test.pull().await.unwrap_err();
            assert!(!refused.message().starts_with("RegistryUnavailable"), "{statuses:?}: {refused}");
            assert!(test.asked().into_iter().all(|asked| asked > 0), "{statuses:?}: {:?}", test.asked());
        }
    }
    assert!(!test.shunt.stderr().contains(SAID), "{}", test.shunt.stderr());
}

async fn only_the_login_that_pulled_it_gets_it(version: Version) {
    let Some(test) = Setup::start(version, "login", ON) else { return };
    let (robot, other) = (user_and_password("robot", "hush-right"), user_and_password("robot", "hush-wrong"));
    assert_eq!(test.pull_with(Some(robot.clone())).await.unwrap(), test.image.id());
    test.all([500, 500]);
    let why = "does not bring the login that it was pulled with";
    test.is_refused(None, why).await;
    test.is_refused(Some(other), why).await;
    assert_eq!(test.shunt.stderr().matches(why).count(), 2, "{}", test.shunt.stderr());
    assert_eq!(test.pull_with(Some(robot.clone())).await.unwrap(), test.image.id());
    assert_eq!(test.shunt.stderr().matches(SAID).count(), 1, "{}", test.shunt.stderr());

    // The last pull counts: it was without one.
    test.mend();
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    test.all([500, 500]);
    test.pull_with(Some(robot)).await.unwrap_err();
    assert_eq!(test.pull().await.unwrap(), test.image.id());

    // Without its key nothing is the same.
    std::fs::remove_file(test.shunt.state_dir().join("login-key")).unwrap();
    test.shunt.restart();
    test.pull().await.unwrap_err();
}

async fn what_was_pulled_otherwise_is_not_the_answer(version: Version) {
    // Before the setting.
    let Some(test) = Setup::start(version, "before", "") else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    test.all([500, 500]);
    let status = test.pull().await.unwrap_err();
    assert!(status.message().starts_with("RegistryUnavailable: "), "off by default: {status}");
    assert!(!test.shunt.state_dir().join("login-key").exists());
    test.shunt.write_config(&config("before", &test.mirrors, ON), test.containerd);
    test.shunt.restart();
    test.is_refused(None, "its last pull did not note a login").await;

    // Past the shunt, after a pull through it.
    let mirror = Fake::in_front_of(test.registry.host());
    let prefix = format!("{}/outage-before", test.registry.host());
    let config = rule(&prefix, &[&mirror.host()]);
    let shunt = Shunt::start(&format!("{config}{ON}"), test.containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = test.registry.name(&test.repository, "1");
    cri.pull(&name).await.unwrap();
    mirror.on("/v2/", Behaviour::Status(500));
    assert_eq!(cri.pull(&name).await.unwrap(), test.image.id());
    let moved = Image::busybox("outage-before-moved");
    test.registry.push(&test.repository, "1", &moved);
    assert_eq!(Cri::connect(&test.containerd.socket()).await.pull(&name).await.unwrap(), moved.id());
    cri.pull(&name).await.unwrap_err();
    assert!(shunt.stderr().contains("its last pull did not note a login"), "{}", shunt.stderr());
}

async fn the_age_of_the_pull_and_the_policy_bound_it(version: Version) {
    let Some(test) = Setup::start(version, "bounds", ON) else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    test.all([500, 500]);
    let restart = |keys: &str| {
        test.shunt.write_config(&config("bounds", &test.mirrors, keys), test.containerd);
        test.shunt.restart();
    };
    restart("on-outage = \"present\"\noutage-max-age = \"1ms\"\n");
    test.is_refused(None, "and outage-max-age is 1ms").await;
    restart("on-outage = \"present\"\noutage-max-age = \"72h\"\n");
    assert_eq!(test.pull().await.unwrap(), test.image.id());

    // A rule says otherwise than the policy.
    let policy = "[policy]\non-outage = \"present\"\noutage-max-age = \"72h\"\npresent = \"hide\"\n";
    let whole = |keys: &str| format!("{policy}{}", config("bounds", &test.mirrors, keys));
    test.shunt.write_config(&whole("on-outage = \"fail\"\n"), test.containerd);
    test.shunt.restart();
    test.pull().await.unwrap_err();
    test.shunt.write_config(&whole(""), test.containerd);
    test.shunt.restart();
    assert_eq!(test.pull().await.unwrap(), test.image.id());

    // A denied name is denied.
    let deny = "[[policy.rule]]\nprefix = \"docker.io/outage-bounds\"\ndeny = \"no\"\n";
    test.shunt.write_config(&format!("{policy}{deny}"), test.containerd);
    test.shunt.restart();
    assert_eq!(test.pull().await.unwrap_err().code(), Code::PermissionDenied);
}

/// A container as kubelet starts it with `imagePullPolicy: Always`: what PullImage answers is asked for by ImageStatus and
/// CreateContainer, beside the pod's own word for it (`EnsureImageExists`, `generateContainerConfig`, `getImageUser`).
/// The answer says by which image and by which words containerd knows the container.
async fn started_as_by_kubelet(cri: &Cri, pod: &Pod, container: &str, name: &str) -> [String; 3] {
    let id = cri.pull(name).await.unwrap();
    for known in [&id, name] {
        assert_eq!(cri.status(known).await.unwrap().unwrap().id, id, "{known}");
    }
    let listed = cri.list().await.unwrap();
    let listed = listed.iter().find(|image| image.id == id).expect("image GC goes by the list");
    assert!(listed.repo_tags.iter().any(|tag| tag == name), "{listed:?}");
    let mut config = pod::container(container, &id, &["sleep", "3600"]);
    config.image.as_mut().unwrap().user_specified_image = name.to_owned();
    let container = pod.create(cri, config).await.unwrap();
    pod::start(cri, &container).await.unwrap();
    let request = ContainerStatusRequest { container_id: container, verbose: false };
    let answer = cri.runtime.clone().container_status(request).await.unwrap().into_inner();
    let status = answer.status.unwrap();
    [id, status.image_ref, status.image.unwrap().image]
}

async fn a_pod_that_always_pulls_starts_in_an_outage(version: Version) {
    let Some(test) = Setup::start(version, "kubelet", ON) else { return };
    test.containerd.serve_pause(test.registry);
    let cri = test.cri().await;
    let logs = test.containerd.dir().join("outage-kubelet");
    let pod = Pod::run(&cri, "outage-kubelet", &logs).await.unwrap();
    let before = started_as_by_kubelet(&cri, &pod, "before", &test.name()).await;
    assert_eq!(before[0], test.image.id());

    // The mirrors have another image by now, and cannot give it. A pod starts anew, and its container again and again.
    test.registry.push(&test.repository, "1", &Image::busybox("outage-kubelet-moved"));
    test.all([500, 502]);
    pod.remove(&cri).await.unwrap();
    let pod = Pod::run(&cri, "outage-kubelet", &logs).await.unwrap();
    for container in ["during", "again"] {
        assert_eq!(started_as_by_kubelet(&cri, &pod, container, &test.name()).await, before, "{container}");
    }
    assert_eq!(test.shunt.stderr().matches(SAID).count(), 2, "{}", test.shunt.stderr());
    pod.remove(&cri).await.unwrap();
    // What is gone from the node is not the answer any more.
    cri.remove(&test.image.id()).await.unwrap();
    let status = test.pull().await.unwrap_err();
    assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
}

/// The tag is another image meanwhile, so that its manifest is not on the node.
async fn an_answer_that_is_cut_is_an_outage_and_a_wrong_one_is_not(version: Version) {
    let Some(test) = Setup::start(version, "cut", ON) else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    test.registry.push(&test.repository, "1", &Image::busybox("outage-cut-moved"));
    let page: &[(&str, &str)] = &[("Content-Type", "text/html"), ("Docker-Content-Digest", "")];
    let half = Behaviour::Raw("HTTP/1.1 200 O".to_owned());
    // What containerd meets, once the shunt has found the manifest.
    let blobs = format!("/v2/{}/blobs/", test.repository);
    let rows = [
        ("/v2/", Behaviour::Cut(10), true),
        ("/v2/", half.clone(), true),
        ("/v2/", Behaviour::With(200, page), false),
        ("/v2/", Behaviour::Raw("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()), false),
        (&blobs, Behaviour::Cut(0), true),
        (&blobs, half, true),
        (&blobs, Behaviour::Raw(String::new()), true),
        (&blobs, Behaviour::Wrong(Wrong::Byte), false),
    ];
    for (path, behaviour, is_outage) in rows {
        let hosts = test.mirrors.each_ref().map(|mirror| {
            mirror.on("/v2/", Behaviour::Forward);
            mirror.on(path, behaviour.clone());
            mirror.host()
        });
        let said = test.shunt.stderr().len();
        let pulled = test.pull().await;
        match pulled {
            Ok(id) => assert!(is_outage && id == test.image.id(), "{behaviour:?}"),
            Err(status) => {
                assert!(!is_outage, "{behaviour:?}: {status}");
                assert!(!status.message().starts_with("RegistryUnavailable"), "{behaviour:?}: {status}");
            }
        }
        let said = test.shunt.stderr()[said..].to_owned();
        let class = if is_outage { "unreachable" } else { "protocol" };
        assert!(said.contains(&format!("{} {class}", hosts[0])), "{behaviour:?}: {said}");
    }
}

async fn nobody_is_asked_while_all_rest(version: Version) {
    let Some(test) = Setup::start(version, "rests", ON) else { return };
    assert_eq!(test.pull().await.unwrap(), test.image.id());
    for mirror in &test.mirrors {
        mirror.on("/v2/", Behaviour::With(429, &[("Retry-After", "3600")]));
        mirror.forget();
    }
    for asked in [[1, 1], [0, 0]] {
        assert_eq!(test.pull().await.unwrap(), test.image.id());
        assert_eq!(test.asked(), asked);
        test.mirrors.iter().for_each(Fake::forget);
    }
}

on_each_containerd!(
    nobody_is_asked_while_all_rest,
    a_pod_that_always_pulls_starts_in_an_outage,
    an_answer_that_is_cut_is_an_outage_and_a_wrong_one_is_not,
    the_image_on_the_node_is_the_answer_while_no_registry_serves,
    a_registry_that_says_no_is_believed,
    only_the_login_that_pulled_it_gets_it,
    what_was_pulled_otherwise_is_not_the_answer,
    the_age_of_the_pull_and_the_policy_bound_it,
);
