# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_cri_shunt_global_optspecs
    string join \n h/help V/version
end

function __fish_cri_shunt_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_cri_shunt_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_cri_shunt_using_subcommand
    set -l cmd (__fish_cri_shunt_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -s V -l version -d 'Print version'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "serve" -d 'Run the shunt in the foreground'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "check" -d 'Check the configuration and report everything that is wrong with it'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "config" -d 'Show the whole configuration, with the place of each key'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "explain" -d 'Show where an image may come from, and why'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "test" -d 'Compare the decisions of a policy with a file of expectations'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "import" -d 'Convert files of other programs into a native configuration'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "status" -d 'Ask the running daemon how it is'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "eject" -d 'Remove what the daemon has left on the node'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "audit" -d 'Show the decisions that the audit has kept'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l socket -d 'Listen here instead of at the configured `listen.socket`' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l containerd -d 'containerd\'s socket, instead of the configured `containerd.socket`' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -l strict -l deny-warnings -d 'Fail on warnings too'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l format -d 'How to write the answer: as TOML, or as an object for each key and each rule' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l default-registry -d 'Use this `policy.default-registry`; the default configuration file may be missing then' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l format -d 'How to write the answers' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l socket -d 'The daemon\'s socket, with --daemon' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l timeout -d 'How long one candidate may take, with --live' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l daemon -d 'Ask the running daemon, which answers by the policy that is in force now'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l live -d 'Ask each candidate\'s registry for the manifest'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l format -d 'How to write the results' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -l format -d 'The format of all files [default: found out from the content of each]' -r -f -a "registries-yaml\t'a registries.yaml of k3s or RKE2'
certs-d\t'a directory of containerd\'s hosts.toml files'
registries-conf\t'a registries.conf of containers/image'
image-cri-shim\t'the YAML of sealos\' image-cri-shim'
containerd-config\t'containerd\'s config.toml'
docker-daemon\t'Docker\'s daemon.json'
openshift\t'a mirror set of OpenShift (IDMS, ITMS, ICSP)'
talos\t'registry documents of Talos'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s o -l output -d 'Write to this file instead of stdout, and only if the import succeeds and, in conf.d, the whole configuration can be used with it' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -l disable-default-registry-endpoint -d 'Do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -l force -d 'Let --output replace a file that import has not written'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -l socket -d 'The daemon\'s socket' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l config -d 'The daemon\'s main configuration file' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l directory -d 'Look for hosts.toml files here too [default: where containerd looks, or, if it does not answer, the usual directories of containerd, k3s and RKE2]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l dry-run -d 'Only say what would be removed, also while the daemon runs'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l config -d 'The configuration that names the file' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l file -d 'Read this file instead of the configured one; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l since -d 'Only decisions after this time: a duration such as 1h, or a time such as 2026-11-27T08:00:00Z' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l image -d 'Only decisions about images with this text in their name' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l pod -d 'Only decisions for this pod, or for all pods of a namespace: NAMESPACE/' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "serve" -d 'Run the shunt in the foreground'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "check" -d 'Check the configuration and report everything that is wrong with it'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "config" -d 'Show the whole configuration, with the place of each key'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "explain" -d 'Show where an image may come from, and why'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "test" -d 'Compare the decisions of a policy with a file of expectations'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "import" -d 'Convert files of other programs into a native configuration'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "status" -d 'Ask the running daemon how it is'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "eject" -d 'Remove what the daemon has left on the node'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "audit" -d 'Show the decisions that the audit has kept'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain test import status eject audit help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
