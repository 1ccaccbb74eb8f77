//! What is in `server/deploy` fits the server: configurations are sound, manifests are whole, and times agree.

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::harness::{Installation, Server, output};

fn deployed(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "deploy", name].iter().collect()
}

fn text(name: &str) -> String {
    fs::read_to_string(deployed(name)).unwrap()
}

/// Checks a configuration with the files of an installation in place of its own, and a store that is here.
fn check_config(config: &str) {
    let installation = Installation::new();
    let own = fs::read_to_string(installation.config()).unwrap();
    let sections = config
        .split("\n[")
        .filter(|section| !["store]", "bus]", "master_key]"].iter().any(|of| section.starts_with(of)));
    fs::write(installation.config(), own + &sections.collect::<Vec<_>>().join("\n[")).unwrap();
    let output = output(["config", "check", "--config", installation.config().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The documents of a YAML file.
#[expect(clippy::disallowed_methods, reason = "tests are told their tools by the environment")]
fn yaml(name: &str) -> Vec<Value> {
    let python = env::var("ROOMPASS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let output = Command::new(python).args(["-c", script]).arg(deployed(name)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_sample_configuration_is_sound() {
    check_config(&text("roompass.toml"));
}

#[test]
fn the_manifests_of_kubernetes_are_whole() {
    let documents = yaml("kubernetes/roompass.yaml");
    let of =
        |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    for document in &documents {
        assert!(document["apiVersion"].is_string(), "{document}");
        assert_eq!(document["metadata"]["name"], "roompass");
    }
    let config = of("ConfigMap")["data"]["roompass.toml"].as_str().unwrap();
    check_config(config);

    let pod = &of("Deployment")["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    assert_eq!(&of("Deployment")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of("Service")["spec"]["selector"], labels);
    assert_eq!(&of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], labels);

    let pod = &pod["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let drain = config.lines().find_map(|line| line.strip_prefix("drain_secs = ")).unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > drain.parse().unwrap());
    let container = &pod["containers"][0];
    for (probe, path) in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
    }
    // Whatever is probed and let in is a port of the container, and the configuration listens there.
    let port = |name: &Value| {
        let mut ports = container["ports"].as_array().unwrap().iter();
        ports.find(|port| port["name"] == *name).unwrap_or_else(|| panic!("{name}"))["containerPort"].to_string()
    };
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(
            config.contains(&format!("[metrics]\nlisten = \"0.0.0.0:{}\"", port(&container[probe]["httpGet"]["port"])))
        );
    }
    for ingress in of("NetworkPolicy")["spec"]["ingress"].as_array().unwrap() {
        port(&ingress["ports"][0]["port"]);
    }
    let containers = [container, &pod["initContainers"][0]];
    for container in containers {
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
        assert!(container["resources"]["limits"]["memory"].is_string());
        for mount in container["volumeMounts"].as_array().unwrap() {
            let mut volumes = pod["volumes"].as_array().unwrap().iter();
            assert!(volumes.any(|volume| volume["name"] == mount["name"]), "{mount}");
        }
    }
    // Whatever the configuration reads from the closed directory is in the secret.
    let secret = yaml("kubernetes/secret.yaml").remove(0);
    let names = secret["stringData"].as_object().unwrap();
    let read: Vec<&str> = config.split("/run/roompass/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(read.len(), names.len());
    for name in read {
        assert_eq!(names[name], "", "a template holds no secret");
    }
}

#[test]
fn the_pod_that_sets_up_makes_an_app_and_a_key_with_which_a_server_starts() {
    let pod = yaml("kubernetes/setup.yaml").remove(0);
    let deployment = yaml("kubernetes/roompass.yaml").remove(1);
    let (pod, serving) = (&pod["spec"], &deployment["spec"]["template"]["spec"]);
    for same in ["securityContext", "volumes", "automountServiceAccountToken"] {
        assert_eq!(pod[same], serving[same]);
    }
    let [close, app] = &pod["initContainers"].as_array().unwrap()[..] else { panic!("{pod}") };
    assert_eq!(close["command"], serving["initContainers"][0]["command"]);
    let installation = Installation::new();
    for container in [app, &pod["containers"][0]] {
        assert_eq!(container["image"], serving["containers"][0]["image"]);
        let config = installation.config();
        let words = container["args"].as_array().unwrap().iter().map(|word| match word.as_str().unwrap() {
            "/etc/roompass/roompass.toml" => config.to_str().unwrap(),
            word => word,
        });
        let output = output(words.collect::<Vec<_>>());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Server::serve(&installation.config());
}

#[test]
fn the_compose_file_names_what_it_defines() {
    let file = yaml("compose.yaml").remove(0);
    for service in file["services"].as_object().unwrap().values() {
        for secret in service["secrets"].as_array().into_iter().flatten() {
            assert!(file["secrets"].get(secret.as_str().unwrap()).is_some(), "{secret}");
        }
        for (_, value) in service["environment"].as_object().into_iter().flatten() {
            if let Some(secret) = value.as_str().unwrap().strip_prefix("/run/secrets/") {
                assert!(service["secrets"].as_array().unwrap().iter().any(|has| has == secret), "{secret}");
            }
        }
    }
    let server = &file["services"]["roompass"];
    // What is scraped is where it listens.
    let scraped = yaml("prometheus/prometheus.yml").remove(0);
    let target = scraped["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str().unwrap();
    let port = server["environment"]["ROOMPASS_METRICS_LISTEN"].as_str().unwrap().strip_prefix("0.0.0.0:").unwrap();
    assert_eq!(target, format!("roompass:{port}"));
    for file in scraped["rule_files"].as_array().unwrap() {
        assert!(deployed("prometheus").join(file.as_str().unwrap()).exists());
    }
    for folder in ["datasources/prometheus.yaml", "dashboards/roompass.yaml"] {
        assert_eq!(yaml(&format!("grafana/provisioning/{folder}"))[0]["apiVersion"], 1);
    }
    assert_eq!((&server["read_only"], &server["cap_drop"][0]), (&Value::Bool(true), &Value::from("ALL")));
    assert!(deployed(server["build"]["context"].as_str().unwrap()).join("server/deploy/Dockerfile").exists());
}

#[test]
fn what_stops_the_service_waits_longer_than_it_drains() {
    let config = text("roompass.toml");
    let drain: u64 = config.lines().find_map(|line| line.strip_prefix("drain_secs = ")).unwrap().parse().unwrap();
    let unit = text("roompass.service");
    let stop: u64 = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap().parse().unwrap();
    let compose = yaml("compose.yaml").remove(0);
    let grace = compose["services"]["roompass"]["stop_grace_period"].as_str().unwrap().trim_end_matches('s').to_owned();
    assert!(stop > drain && grace.parse::<u64>().unwrap() > drain);
}

#[test]
fn the_image_is_built_with_the_compiler_we_support_and_runs_as_nobody() {
    let file = text("Dockerfile");
    let minor = env!("CARGO_PKG_RUST_VERSION");
    assert!(file.contains(&format!("FROM rust:{minor}-")), "{minor}");
    let last = file.rsplit("FROM ").next().unwrap();
    assert!(last.contains("\nUSER 65532:65532\n") && last.contains("\nENTRYPOINT [\"/usr/local/bin/roompass\"]\n"));
    // Every folder of the workspace gets into the build.
    let root = fs::read_to_string(deployed("../../Cargo.toml")).unwrap();
    let members = root.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    for member in members.trim_matches(['[', ']']).split(',') {
        let folder = member.trim().trim_matches('"').split('/').next().unwrap();
        assert!(text("Dockerfile.dockerignore").contains(&format!("!{folder}\n")), "{folder}");
    }
}
