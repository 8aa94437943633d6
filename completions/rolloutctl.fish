# fish completion for rolloutctl; made by `rolloutctl completions fish`.
# Once: rolloutctl completions fish > ~/.config/fish/completions/rolloutctl.fish

function __rolloutctl_asks
    set -l words (commandline -opc)
    set -l current (commandline -ct | string replace -r -- '^--[^=]+=' '')
    $words[1] __complete $argv[1] "$current" $words[2..-1] 2>/dev/null
end

function __rolloutctl_typed
    set -l words (commandline -opc)
    string match -v -- '-*' $words[2..-1]
end

function __rolloutctl_at
    set -l typed (__rolloutctl_typed)
    set -l wanted (count $argv)
    test (count $typed) -ge $wanted; and test "$typed[1..$wanted]" = "$argv"
end

function __rolloutctl_chooses
    set -l typed (__rolloutctl_typed)
    test "$typed" = "$argv"
end

complete -c rolloutctl -f
complete -c rolloutctl -n __rolloutctl_chooses -s h -l help -d 'Show the commands.'
complete -c rolloutctl -n __rolloutctl_chooses -l version -d 'Print the version.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a demo -d 'A whole rollout on this machine, in less than a minute.'
complete -c rolloutctl -n '__rolloutctl_at demo' -l regression -d 'The canary goes bad at 25 %: exit 10.'
complete -c rolloutctl -n '__rolloutctl_at demo' -l hands-on -d 'Only the application and a playbook; you drive.'
complete -c rolloutctl -n '__rolloutctl_at demo' -l keep -d 'Leave flags, playbook and journal in this new folder.' -x -a '(__fish_complete_directories (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at demo' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at demo' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a advise -d 'Which strategy fits a change, and why.'
complete -c rolloutctl -n '__rolloutctl_at advise' -l change -d 'What is changed.' -x -a 'model prompt feature config service infrastructure'
complete -c rolloutctl -n '__rolloutctl_at advise' -l goal -d 'What must be known first.' -x -a 'safe better switch'
complete -c rolloutctl -n '__rolloutctl_at advise' -l mirror -d 'Requests may be answered twice, the second answer unseen.'
complete -c rolloutctl -n '__rolloutctl_at advise' -l back -d 'How fast everybody must be back.' -x -a 'seconds minutes'
complete -c rolloutctl -n '__rolloutctl_at advise' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at advise' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a init -d 'Write a first playbook that passes lint.'
complete -c rolloutctl -n '__rolloutctl_at init' -l strategy -d 'See: rolloutctl advise.' -x -a 'shadow-canary canary ab-test blue-green blue-green-canary'
complete -c rolloutctl -n '__rolloutctl_at init' -l provider -d 'What is written to.' -x -a 'flagd-file unleash launchdarkly kubernetes'
complete -c rolloutctl -n '__rolloutctl_at init' -l flag -d 'The flag\'s key, or the Service or HTTPRoute.' -x
complete -c rolloutctl -n '__rolloutctl_at init' -l control -d 'The variant served today.' -x -a '(__rolloutctl_asks arm)'
complete -c rolloutctl -n '__rolloutctl_at init' -l canary -d 'The variant to try.' -x -a '(__rolloutctl_asks arm)'
complete -c rolloutctl -n '__rolloutctl_at init' -l place -d 'The flag file, the server\'s URL, or the context.' -x
complete -c rolloutctl -n '__rolloutctl_at init' -l source -d 'Where the numbers come from.' -x -a '(__rolloutctl_asks source)'
complete -c rolloutctl -n '__rolloutctl_at init' -l metrics -d 'Its URL.' -x
complete -c rolloutctl -n '__rolloutctl_at init' -l name -d 'The playbook\'s name.' -x
complete -c rolloutctl -n '__rolloutctl_at init' -l out -d 'Default: NAME.yaml; - is stdout.' -x
complete -c rolloutctl -n '__rolloutctl_at init' -l force -d 'Replace a file that exists.'
complete -c rolloutctl -n '__rolloutctl_at init' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a help -d 'The manual: language, gates, kill, exit codes, …'
complete -c rolloutctl -n '__rolloutctl_at help' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at help' -a 'language gates steps providers sources notifiers events kill exit-codes environment demo advise init help lint doctor plan check verify simulate certify backtest abtest schema completions start status watch list wait approve reject promote pause resume rollback abort explain report kill tick agent'
complete -c rolloutctl -n '__rolloutctl_chooses' -a lint -d 'Check playbooks: file:line:column, what is wrong, the fix.'
complete -c rolloutctl -n '__rolloutctl_at lint' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at lint' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at lint' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at lint' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a doctor -d 'Look whether everything is there that a rollout needs.'
complete -c rolloutctl -n '__rolloutctl_at doctor' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at doctor' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at doctor' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at doctor' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at doctor' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a plan -d 'Show what would be written, where, in which order.'
complete -c rolloutctl -n '__rolloutctl_at plan' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at plan' -l traffic -d 'Requests, such as 50/s; else the last day\'s.' -x
complete -c rolloutctl -n '__rolloutctl_at plan' -l bad-share -d 'How many of them are bad today (with --traffic).' -x
complete -c rolloutctl -n '__rolloutctl_at plan' -l against -d 'Show too what changed since this one.' -x -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_at plan' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at plan' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at plan' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at plan' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a check -d 'Judge the gates once, now, without a rollout.'
complete -c rolloutctl -n '__rolloutctl_at check' -l gate -d 'Only this gate; repeatable.' -x -a '(__rolloutctl_asks gate)'
complete -c rolloutctl -n '__rolloutctl_at check' -l wait -d 'Judge again until decided, at most so long.' -x
complete -c rolloutctl -n '__rolloutctl_at check' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at check' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at check' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at check' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a verify -d 'Compare the exposure real SDKs see with the intended one.'
complete -c rolloutctl -n '__rolloutctl_at verify' -l playbook -d 'Where TARGET is declared.' -x -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_at verify' -l control -d 'With an address: the control\'s value.' -x
complete -c rolloutctl -n '__rolloutctl_at verify' -l canary -d 'With an address: the canary\'s value.' -x
complete -c rolloutctl -n '__rolloutctl_at verify' -l shadow -d 'With an address: the shadow flag.' -x
complete -c rolloutctl -n '__rolloutctl_at verify' -l units -d 'How many units to ask for.' -x
complete -c rolloutctl -n '__rolloutctl_at verify' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at verify' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at verify' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at verify' -a '(__rolloutctl_asks target)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a simulate -d 'Rehearse a rollout on a virtual clock, faults planted.'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l traffic -d 'Requests, such as 50/s, of all arms.' -x
complete -c rolloutctl -n '__rolloutctl_at simulate' -l shape -d 'How traffic goes up and down.' -x -a 'steady diurnal bursty autocorrelated clustered'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l fault -d 'What goes wrong: "GATE=VALUE [at SHARE] [after TIME] [for TIME] [on canary|control|both]"; repeatable.' -x -a '(__rolloutctl_asks gate-value)'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l answer -d 'A gate\'s number while all is well, such as errors=0.2%; repeatable.' -x -a '(__rolloutctl_asks gate-value)'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l seed -d 'Another seed is another run.' -x
complete -c rolloutctl -n '__rolloutctl_at simulate' -l units -d 'Users who send the requests.' -x
complete -c rolloutctl -n '__rolloutctl_at simulate' -l hold -d 'Stretch the holds to this time in all.' -x
complete -c rolloutctl -n '__rolloutctl_at simulate' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at simulate' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at simulate' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a certify -d 'Measure how often the gates err, over many rehearsals.'
complete -c rolloutctl -n '__rolloutctl_at certify' -l runs -d 'Healthy rollouts, shared among the shapes; for each harm a tenth, at least 20.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l traffic -d 'Requests, such as 50/s, of all arms.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l shape -d 'Traffic to cover; repeatable. All but clustered if none.' -x -a 'steady diurnal bursty autocorrelated clustered'
complete -c rolloutctl -n '__rolloutctl_at certify' -l effect -d 'A harm that must be found, as in simulate --fault, such as "errors=3%"; repeatable. If none, each number that gates ask for, made two or three times as bad.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l power -d 'Share of each harm that must be found; 0%: any.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l answer -d 'A gate\'s number while all is well, such as errors=0.2%; repeatable.' -x -a '(__rolloutctl_asks gate-value)'
complete -c rolloutctl -n '__rolloutctl_at certify' -l hold -d 'Stretch the holds to this time in all.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l seed -d 'Another seed is another sample.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l jobs -d 'Processes; 0: one a processor.' -x
complete -c rolloutctl -n '__rolloutctl_at certify' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at certify' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at certify' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at certify' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a backtest -d 'Run the playbook over recorded metrics.'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l from -d '2026-03-01T12:00:00Z, or 7d for 7 days ago.' -x
complete -c rolloutctl -n '__rolloutctl_at backtest' -l to -d 'The end; now, or the end of the CSV.' -x
complete -c rolloutctl -n '__rolloutctl_at backtest' -l csv -d 'Columns time, metric, labels…, value.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l source -d 'Ask this source for everything.' -x -a '(__rolloutctl_asks source)'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l step -d 'How finely a source is asked.' -x
complete -c rolloutctl -n '__rolloutctl_at backtest' -l incidents -d 'CSV: start, end, name.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l sweep -d 'Try values: "errors.fail=> 1%,> 2%".' -x
complete -c rolloutctl -n '__rolloutctl_at backtest' -l answer -d 'A gate\'s number while all is well, such as errors=0.2%; repeatable.' -x -a '(__rolloutctl_asks gate-value)'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l hold -d 'Stretch the holds to this time in all.' -x
complete -c rolloutctl -n '__rolloutctl_at backtest' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at backtest' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at backtest' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a abtest -d 'Size an A/B test; judge the counts of one.'
complete -c rolloutctl -n '__rolloutctl_chooses abtest' -a size -d 'Say how many units an A/B test needs, by which formula, and how long it takes.'
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l baseline -d 'Control\'s share, such as 10%.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l effect -d 'What must not be missed, such as +5pp.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l power -d 'How surely it is found.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l alpha -d 'How often nothing is found to differ.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l arms -d 'Arms, control included.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l traffic -d 'Units in all arms: 3/s, 500/h, 20000/d.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l playbook -d 'Take plan and traffic from its experiment.' -x -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l watch -d 'Count units now for so long, not the last day\'s.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at abtest size' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses abtest' -a analyze -d 'Judge the counts of an A/B test: split, chi-square, interval, one sentence an arm.'
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l control -d 'Control\'s successes of its units.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l canary -d 'The canary\'s successes of its units.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l arm -d 'One more arm; repeatable.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l csv -d 'Columns arm, success, total; or arm, success (0/1).' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l alpha -d 'How often nothing is found to differ.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l want -d 'Which difference is the wished-for one.' -x -a 'increase decrease'
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l split -d 'Intended weights, such as 90:10.' -x
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at abtest analyze' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at abtest' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a schema -d 'Print the playbook\'s JSON Schema for editors.'
complete -c rolloutctl -n '__rolloutctl_at schema' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at schema' -a 'playbook events'
complete -c rolloutctl -n '__rolloutctl_chooses' -a completions -d 'Print the script for bash, zsh or fish.'
complete -c rolloutctl -n '__rolloutctl_at completions' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at completions' -a 'bash zsh fish'
complete -c rolloutctl -n '__rolloutctl_chooses' -a start -d 'Plan, confirm, and drive a rollout step by step.'
complete -c rolloutctl -n '__rolloutctl_at start' -l auto -d 'Ask nothing; a confirm step ends with exit 8.'
complete -c rolloutctl -n '__rolloutctl_at start' -l approve-all -d 'Answer every confirm step with yes.'
complete -c rolloutctl -n '__rolloutctl_at start' -l detach -d 'Record the start; leave driving to an agent.'
complete -c rolloutctl -n '__rolloutctl_at start' -l dry-run -d 'Stop after the plan; nothing is written.'
complete -c rolloutctl -n '__rolloutctl_at start' -l id -d 'The rollout\'s id; goes on if it exists.' -x -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_at start' -l on-exit -d 'On SIGINT, SIGTERM. Default: rollback with --auto, else leave.' -x -a 'rollback leave'
complete -c rolloutctl -n '__rolloutctl_at start' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at start' -l junit -d 'Leave the gates there as JUnit XML.' -x
complete -c rolloutctl -n '__rolloutctl_at start' -l summary -d 'Append a summary in Markdown. Default with --auto: $GITHUB_STEP_SUMMARY.' -x
complete -c rolloutctl -n '__rolloutctl_at start' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at start' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at start' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at start' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at start' -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a status -d 'Where it is, why it waits, what comes next.'
complete -c rolloutctl -n '__rolloutctl_at status' -l look -d 'Ask each target\'s provider what it serves now.'
complete -c rolloutctl -n '__rolloutctl_at status' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at status' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at status' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at status' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a watch -d 'Follow it until it is over: a live view, or a line a change.'
complete -c rolloutctl -n '__rolloutctl_at watch' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at watch' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at watch' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at watch' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a list -d 'The rollouts of the journal.'
complete -c rolloutctl -n '__rolloutctl_at list' -l open -d 'Only those that are open.'
complete -c rolloutctl -n '__rolloutctl_at list' -l limit -d 'At most so many, the newest.' -x
complete -c rolloutctl -n '__rolloutctl_at list' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at list' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at list' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a wait -d 'Block until it is done or needs a human.'
complete -c rolloutctl -n '__rolloutctl_at wait' -l for -d 'The end, or a question.' -x -a 'done human'
complete -c rolloutctl -n '__rolloutctl_at wait' -l timeout -d 'At most so long.' -x
complete -c rolloutctl -n '__rolloutctl_at wait' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at wait' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at wait' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at wait' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a approve -d 'Answer the question of a step with yes.'
complete -c rolloutctl -n '__rolloutctl_at approve' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at approve' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at approve' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at approve' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at approve' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a reject -d 'Answer it with no: roll back.'
complete -c rolloutctl -n '__rolloutctl_at reject' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at reject' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at reject' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at reject' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at reject' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a promote -d 'End the hold now, if the gates pass.'
complete -c rolloutctl -n '__rolloutctl_at promote' -l override -d 'Go past gates that do not pass; needs --reason.'
complete -c rolloutctl -n '__rolloutctl_at promote' -l full -d 'To the last step; recorded as an override.'
complete -c rolloutctl -n '__rolloutctl_at promote' -l timeout -d 'Wait at most so long for the answer.' -x
complete -c rolloutctl -n '__rolloutctl_at promote' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at promote' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at promote' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at promote' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at promote' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a pause -d 'Freeze the weight where it is.'
complete -c rolloutctl -n '__rolloutctl_at pause' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at pause' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at pause' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at pause' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at pause' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a resume -d 'Undo a pause.'
complete -c rolloutctl -n '__rolloutctl_at resume' -l reapply -d 'Write over somebody else\'s edit of a target.'
complete -c rolloutctl -n '__rolloutctl_at resume' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at resume' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at resume' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at resume' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at resume' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a rollback -d 'Write the restore points back, verified.'
complete -c rolloutctl -n '__rolloutctl_at rollback' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at rollback' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at rollback' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at rollback' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at rollback' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a abort -d 'The same as rollback.'
complete -c rolloutctl -n '__rolloutctl_at abort' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at abort' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at abort' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at abort' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at abort' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a explain -d 'Every decision: query, numbers, threshold, reason.'
complete -c rolloutctl -n '__rolloutctl_at explain' -l step -d 'Only this step: its number, or name.' -x
complete -c rolloutctl -n '__rolloutctl_at explain' -l gate -d 'Only this gate, with its queries and a drawing, and what was decided.' -x -a '(__rolloutctl_asks gate)'
complete -c rolloutctl -n '__rolloutctl_at explain' -l replay -d 'Compute every verdict again from the journal.'
complete -c rolloutctl -n '__rolloutctl_at explain' -l all -d 'Every event, each judgement with its queries.'
complete -c rolloutctl -n '__rolloutctl_at explain' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at explain' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml markdown'
complete -c rolloutctl -n '__rolloutctl_at explain' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at explain' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a report -d 'Write it as one HTML file, or as Markdown.'
complete -c rolloutctl -n '__rolloutctl_at report' -l format -s f -d 'One HTML file, or Markdown.' -x -a 'html markdown'
complete -c rolloutctl -n '__rolloutctl_at report' -l out -d 'Default: ROLLOUT.html or .md; - is stdout.' -x
complete -c rolloutctl -n '__rolloutctl_at report' -l force -d 'Replace a file that exists.'
complete -c rolloutctl -n '__rolloutctl_at report' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at report' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at report' -a '(__rolloutctl_asks rollout)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a kill -d 'Control for everybody, now, past plan and gates.'
complete -c rolloutctl -n '__rolloutctl_at kill' -l to -d 'The safe arm\'s value.' -x -a '(__rolloutctl_asks arm)'
complete -c rolloutctl -n '__rolloutctl_at kill' -l shadow -d 'With an address: its shadow flag.' -x
complete -c rolloutctl -n '__rolloutctl_at kill' -l playbook -d 'Every target of a playbook.' -x -k -a '(__fish_complete_suffix .yaml; __fish_complete_suffix .yml)'
complete -c rolloutctl -n '__rolloutctl_at kill' -l all -d 'Every open rollout of the store; asks on a terminal.'
complete -c rolloutctl -n '__rolloutctl_at kill' -l stop-foreign -d 'With an address: somebody else\'s deployment too.'
complete -c rolloutctl -n '__rolloutctl_at kill' -l input -s i -d 'Sets an input; repeatable.' -x -a '(__rolloutctl_asks input)'
complete -c rolloutctl -n '__rolloutctl_at kill' -l reason -d 'Why; recorded in the journal.' -x
complete -c rolloutctl -n '__rolloutctl_at kill' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at kill' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at kill' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_at kill' -a '(__rolloutctl_asks subject)'
complete -c rolloutctl -n '__rolloutctl_chooses' -a tick -d 'One pass over every rollout, then exit: for cron.'
complete -c rolloutctl -n '__rolloutctl_at tick' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at tick' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at tick' -l help -s h -d 'Show the options and an example.'
complete -c rolloutctl -n '__rolloutctl_chooses' -a agent -d 'Drive every rollout whose lease is free.'
complete -c rolloutctl -n '__rolloutctl_at agent' -l poll -d 'Seconds between two looks at the journal for requests.' -x
complete -c rolloutctl -n '__rolloutctl_at agent' -l listen -d 'Answer /metrics, /healthz and /readyz there; nothing else, and no orders.' -x
complete -c rolloutctl -n '__rolloutctl_at agent' -l store -d 'The journal\'s file. Default: $ROLLOUTCTL_STORE, else the platform\'s state directory.' -x -a '(__fish_complete_path (commandline -ct))'
complete -c rolloutctl -n '__rolloutctl_at agent' -l output -s o -d 'Form of the data on stdout.' -x -a 'table json ndjson yaml'
complete -c rolloutctl -n '__rolloutctl_at agent' -l help -s h -d 'Show the options and an example.'
