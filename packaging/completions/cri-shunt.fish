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
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "preflight" -d 'Try a policy on the images of this node, or on a list of images'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "diff" -d 'Show what changes between two policies'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "lock" -d 'Note the digest of each tag, or see whether a tag has moved'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "drift" -d 'Show where a tag is not the same image: at the mirrors, at its registry, in a lock, and on the node'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "verify" -d 'Check whether the images on the node are signed as the policy demands'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "test" -d 'Compare the decisions of a policy with a file of expectations'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "import" -d 'Convert files of other programs into a native configuration'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "status" -d 'Ask the running daemon how it is'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "doctor" -d 'Find out why a setting has no effect'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "eject" -d 'Remove what the daemon has left on the node'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "install" -d 'Put cri-shunt in front of this node\'s containerd'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "uninstall" -d 'Put back what `cri-shunt install` has changed on this node'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "audit" -d 'Show the decisions that the audit has kept'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "images" -d 'Show the images on the node, and which registry served each'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "inspect" -d 'Show where an image on the node came from, in full'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "pull" -d 'Pull images through the running daemon, as kubelet would'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "sync" -d 'Bring the policy of a cluster to its node'
complete -c cri-shunt -n "__fish_cri_shunt_needs_command" -f -a "rollout" -d 'Go from node to node of a cluster, with a Job for each'
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
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand explain" -l namespace -d 'Decide as for a pod in this namespace' -r
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
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l default-registry -d 'Use this `policy.default-registry`; the default configuration file may be missing then' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -s j -l jobs -d 'For how many images registries are asked at the same time, with --live' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l timeout -d 'How long one candidate may take, with --live' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l format -d 'How to write what was found' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l containerd -d 'containerd\'s socket [default: `containerd.socket` of the configuration]' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l live -d 'Ask each candidate\'s registry whether it has the image'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -l node -d 'Also take the images that are on the node, from containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand preflight" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -l format -d 'How to write the differences' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -l containerd -d 'containerd\'s socket [default: `containerd.socket` of the configuration]' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -l node -d 'Also take the images that are on the node, from containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -s o -l output -d 'The lock' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l from -d 'Also take the images in this YAML or JSON: each `image`, and each `repository` with its `tag`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l default-registry -d 'Use this `policy.default-registry`; the default configuration file may be missing then' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -s j -l jobs -d 'For how many images registries are asked at the same time' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l timeout -d 'How long one candidate may take' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l format -d 'How to write what was found' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l containerd -d 'containerd\'s socket [default: `containerd.socket` of the configuration]' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l check -d 'Say which tags have another digest now, and write nothing; without names it looks at all in the lock'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l update -d 'Look again, and write what has moved; without names it looks at all in the lock. A new name is added'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l force -d 'Replace a file that lock has not written'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -l node -d 'Also take the images that are on the node, from containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l lock -d 'Compare with this lock, and look at the images in it' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l default-registry -d 'Use this `policy.default-registry`; the default configuration file may be missing then' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -s j -l jobs -d 'For how many images registries are asked at the same time' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l timeout -d 'How long one candidate may take' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l format -d 'How to write what was found' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l containerd -d 'containerd\'s socket [default: `containerd.socket` of the configuration]' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l write -d 'Also write the counts into the state directory, for the daemon\'s metrics'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l origin -d 'Also ask the registry in the name itself where the policy does not ask it'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -l node -d 'Also take the images that are on the node, from containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand drift" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l default-registry -d 'Use this `policy.default-registry`; the default configuration file may be missing then' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -s j -l jobs -d 'For how many images registries are asked at the same time' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l timeout -d 'How long one candidate may take' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l format -d 'How to write what was found' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l containerd -d 'containerd\'s socket [default: `containerd.socket` of the configuration]' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l offline -d 'Ask no registry: only what the daemon has found before counts'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -l node -l all -d 'Also take the images that are on the node, from containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
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
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s o -l output -d 'Write to this file instead of stdout, and only if the import succeeds and, in conf.d, the whole configuration can be used with it; `-` is stdout' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -l disable-default-registry-endpoint -d 'Do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -l force -d 'Let --output replace a file that import has not written'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -l socket -d 'The daemon\'s socket' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -l watch -d 'Ask again every 2 seconds, until Ctrl-C'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -l root -d 'The directory of the node\'s files; of another than / only files are looked at, and no registry is asked' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -l config -d 'The main configuration file, on the node' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -l timeout -d 'How long one registry may take' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -l offline -d 'Ask no registry'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l config -d 'The daemon\'s main configuration file' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l directory -d 'Look for hosts.toml files here too [default: where containerd looks, or, if it does not answer, the usual directories of containerd, k3s and RKE2]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -l dry-run -d 'Only say what would be removed, also while the daemon runs'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand eject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l for -d 'The clients to lead to cri-shunt; `all` are those that are on the node' -r -f -a "kubelet\t'A kubelet with a unit kubelet.service'
k3s\t'k3s, as server or agent'
rke2\t'RKE2, as server or agent'
kubeadm\t'The kubelet that kubeadm has set up; kubeadm itself pulls by its criSocket'
crictl\t'/etc/crictl.yaml'
all\t'Each of these that is on the node'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l root -d 'The directory of the node\'s files. If it is not /, only files are changed, and the command says what to run there' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l prove-with -d 'Pull this image through cri-shunt, before the clients are led to it' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l timeout -d 'How long the daemon, the image and the clients may take, each for itself' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l prefix -d 'Where the program goes, to DIR/bin [default: the first of /usr/local, /opt/cri-shunt and /var/lib/cri-shunt/program that can be written and run programs]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l apply -d 'Make the changes'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -l chroot -d 'Make DIR of --root the root of this process, and do there all that is done on this machine: in a container that has the node\'s /, processes and network'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l root -d 'The directory of the node\'s files. If it is not /, only files are changed, and the command says what to run there' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l timeout -d 'How long kubelet, k3s or RKE2 may take to run again' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l apply -d 'Make the changes'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l force -d 'Put back files too that somebody has changed since'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l check -d 'Only say whether kubelet, k3s or RKE2 needs the daemon'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -l chroot -d 'Make DIR of --root the root of this process, and do there all that is done on this machine: in a container that has the node\'s /, processes and network'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
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
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l containerd -d 'containerd\'s socket, instead of the configured `containerd.socket`' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l registry -d 'Only images that this registry served; `unknown` stands for those that did not come through the daemon' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l rule -d 'Only images that came by the rule with this prefix' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l sort -d 'What comes first: names by the alphabet, the largest, the youngest' -r -f -a "name\t'The name'
size\t'The size'
age\t'The age'
registry\t'The registry that served it'
rule\t'The rule by which it came'
today\t'What the policy says now'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l format -d 'How to write the answer' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -l denied -d 'Only images that the policy denies now'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand images" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l config -d 'The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default: /etc/cri-shunt/config.toml, unless another program\'s file is given: then only that file is read]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l registries-yaml -d 'Take rules from a registries.yaml of k3s or RKE2' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l certs-d -d 'Take rules from a directory of containerd\'s hosts.toml files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l registries-conf -d 'Take rules from a registries.conf of containers/image' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l image-cri-shim -d 'Take rules from the YAML of sealos\' image-cri-shim' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l containerd-config -d 'Take rules from containerd\'s config.toml' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l docker-daemon -d 'Take rules from Docker\'s daemon.json' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l openshift -d 'Take rules from a mirror set of OpenShift (IDMS, ITMS, ICSP)' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l talos -d 'Take rules from registry documents of Talos' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l containerd -d 'containerd\'s socket, instead of the configured `containerd.socket`' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l format -d 'How to write the answers' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -l disable-default-registry-endpoint -d 'With --registries-yaml: do not ask the registry itself after its mirrors, like k3s\' flag of this name'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -l socket -d 'The daemon\'s socket' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -l namespace -d 'Pull as for a pod of this namespace' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -l creds-file -d 'Logins in the form of Docker\'s config.json; each image gets the one for its registry' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -s j -l jobs -d 'How many images are pulled at the same time' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -l format -d 'How to write the answers' -r -f -a "text\t'For people'
json\t'JSON, one object a line'"
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -l list -d 'Also take the names in this file, one a line, with comments after `#`; `-` is stdin' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l from -d 'The directory with the files' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l to -d 'The daemon\'s directory on the node' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l needs -d 'Refuse a policy that denies this image, because the node needs it' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l metrics -d 'Pass on the daemon\'s metrics at this address; [::] is all, those of IPv4 too' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l metrics-of -d 'The socket at which the daemon serves them' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l once -d 'Copy once, also for the first time, and end'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -l remove -d 'Remove what was copied, and end'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l name -d 'What the names of the Jobs begin with' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l job -d 'The Job for each node, as JSON, without name and node' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l undo -d 'The Job that puts a node back' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l selector -d 'The labels of the nodes, as kubectl takes them' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l taint -d 'Remove this taint from a node that is served' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l cron-job -d 'Begin no node while this CronJob is suspended; with --remove, suspend it first, so that nobody begins again' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l yield-to -d 'Begin no node while this Job runs: it is another rollout, and comes first' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l share -d 'How many nodes at once: a number, or a share such as 10%' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l failures -d 'How many nodes may fail before no other is begun' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l ready-within -d 'How long a node may take to be Ready after its Job' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l every -d 'How often the API is asked' -r
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l account -d 'The directory with the files token, ca.crt and namespace [default: that of the pod\'s service account]' -r -F
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l new -d 'Leave nodes alone that have failed before; they count as failures'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -l remove -d 'The Job takes the program out: run it on every node that was begun, and remove the labels'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -s q -l quiet -d 'Show only what is wrong, and nothing if all is well'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -s v -l verbose -d 'Show more, for example notes: what is worth knowing and needs no change'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand rollout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "serve" -d 'Run the shunt in the foreground'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "check" -d 'Check the configuration and report everything that is wrong with it'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "config" -d 'Show the whole configuration, with the place of each key'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "explain" -d 'Show where an image may come from, and why'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "preflight" -d 'Try a policy on the images of this node, or on a list of images'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "diff" -d 'Show what changes between two policies'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "lock" -d 'Note the digest of each tag, or see whether a tag has moved'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "drift" -d 'Show where a tag is not the same image: at the mirrors, at its registry, in a lock, and on the node'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "verify" -d 'Check whether the images on the node are signed as the policy demands'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "test" -d 'Compare the decisions of a policy with a file of expectations'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "import" -d 'Convert files of other programs into a native configuration'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "status" -d 'Ask the running daemon how it is'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "doctor" -d 'Find out why a setting has no effect'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "eject" -d 'Remove what the daemon has left on the node'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "install" -d 'Put cri-shunt in front of this node\'s containerd'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "uninstall" -d 'Put back what `cri-shunt install` has changed on this node'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "audit" -d 'Show the decisions that the audit has kept'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "images" -d 'Show the images on the node, and which registry served each'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "inspect" -d 'Show where an image on the node came from, in full'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "pull" -d 'Pull images through the running daemon, as kubelet would'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "sync" -d 'Bring the policy of a cluster to its node'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "rollout" -d 'Go from node to node of a cluster, with a Job for each'
complete -c cri-shunt -n "__fish_cri_shunt_using_subcommand help; and not __fish_seen_subcommand_from serve check config explain preflight diff lock drift verify test import status doctor eject install uninstall audit images inspect pull sync rollout help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
