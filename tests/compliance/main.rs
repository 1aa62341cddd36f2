//! A client cannot tell by the answers that the shunt is there.
//!
//! Each of three containerds has one shunt in front, with one rule, for the images of `critest`. Every case goes to
//! containerd directly and through the shunt, and the answers must be the same: status, headers, messages, trailers,
//! details.
//! Not here: what the shunt does differently on purpose (rules, adoption, provenance).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(unreachable_pub, reason = "a test program exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod containerd_services;
mod critest;
mod images;
mod pods;
mod pulls;
mod runtime;
mod sides;
mod splice;
mod transport;

/// Makes a test of each case on each containerd.
macro_rules! on_each_containerd {
    ($($module:ident { $($case:ident),+ $(,)? })+) => {
        on_each_containerd!(@ containerd_1_6 V1_6 $($module { $($case),+ })+);
        on_each_containerd!(@ containerd_1_7 V1_7 $($module { $($case),+ })+);
        on_each_containerd!(@ containerd_2_1 V2_1 $($module { $($case),+ })+);
    };
    (@ $name:ident $version:ident $($module:ident { $($case:ident),+ })+) => {
        mod $name {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    let version = crate::support::version::Version::$version;
                    let Some(sides) = crate::sides::Sides::of(version).await else { return };
                    let case = crate::$module::$case(&sides);
                    // A case that hangs must not hold the others, and what it waits for itself ends before.
                    tokio::time::timeout(2 * crate::support::PATIENCE, case).await.expect("the case hangs");
                })+
            })+
        }
    };
}

on_each_containerd! {
    images {
        status_by_every_form_of_a_name,
        status_of_what_is_not_there,
        lists,
        file_systems,
        messages_that_are_none,
        status_verbose,
    }
    pulls {
        by_tag_digest_and_default,
        of_what_is_not_there,
        from_registries_that_refuse,
        with_credentials,
        removals,
    }
    critest {
        the_rule_is_what_the_shunt_pulls_by,
        repo_tags_and_digests_are_what_was_pulled,
        status_is_the_same_by_every_name,
        user_ids_and_names,
        three_tags_of_one_image,
        removing_one_tag_removes_all,
        removing_by_one_registry_removes_the_other,
        gone_at_once_after_removal,
        concurrent_removals_all_succeed,
        image_ref_is_the_id,
        removing_the_unknown_is_fine,
    }
    runtime {
        reads,
        ids_that_are_unknown,
        messages_that_are_none,
        methods_that_are_none,
        older_interface,
    }
    containerd_services {
        reads,
        images_and_content,
        content_is_written_and_read,
        messages_up_to_the_limit_and_over,
        events_arrive_while_they_happen,
        health,
    }
    transport {
        deadlines,
        cancellation_reaches_containerd,
        metadata_reaches_containerd,
        many_calls_at_once,
        bodies_that_are_no_grpc,
        requests_that_are_no_grpc_calls,
    }
    pods {
        a_pod_lives_and_dies,
        containers_that_cannot_be,
        container_events,
    }
}
