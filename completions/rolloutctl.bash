# bash completion for rolloutctl; made by `rolloutctl completions bash`.
# Once: rolloutctl completions bash > ~/.local/share/bash-completion/completions/rolloutctl
# Or in ~/.bashrc: source <(rolloutctl completions bash)

_rolloutctl_takes() {
    takes='' choices=''
    case "$1 $2" in
        "/demo --keep")
            takes=folder ;;
        "/demo --output" | "/demo -o" | "/advise --output" | "/advise -o" | "/lint --output" | "/lint -o" | "/doctor --output" | "/doctor -o" | "/plan --output" | "/plan -o" | "/check --output" | "/check -o" | "/verify --output" | "/verify -o" | "/simulate --output" | "/simulate -o" | "/certify --output" | "/certify -o" | "/backtest --output" | "/backtest -o" | "/abtest/size --output" | "/abtest/size -o" | "/abtest/analyze --output" | "/abtest/analyze -o" | "/start --output" | "/start -o" | "/status --output" | "/status -o" | "/watch --output" | "/watch -o" | "/list --output" | "/list -o" | "/wait --output" | "/wait -o" | "/approve --output" | "/approve -o" | "/reject --output" | "/reject -o" | "/promote --output" | "/promote -o" | "/pause --output" | "/pause -o" | "/resume --output" | "/resume -o" | "/rollback --output" | "/rollback -o" | "/abort --output" | "/abort -o" | "/kill --output" | "/kill -o" | "/tick --output" | "/tick -o" | "/agent --output" | "/agent -o")
            takes=choice choices='table json ndjson yaml' ;;
        "/advise --change")
            takes=choice choices='model prompt feature config service infrastructure' ;;
        "/advise --goal")
            takes=choice choices='safe better switch' ;;
        "/advise --back")
            takes=choice choices='seconds minutes' ;;
        "/init --strategy")
            takes=choice choices='shadow-canary canary ab-test blue-green blue-green-canary' ;;
        "/init --provider")
            takes=choice choices='flagd-file unleash launchdarkly kubernetes' ;;
        "/init --flag" | "/init --place" | "/init --metrics" | "/init --name" | "/init --out" | "/plan --traffic" | "/plan --bad-share" | "/check --wait" | "/verify --control" | "/verify --canary" | "/verify --shadow" | "/verify --units" | "/simulate --traffic" | "/simulate --seed" | "/simulate --units" | "/simulate --hold" | "/certify --runs" | "/certify --traffic" | "/certify --effect" | "/certify --power" | "/certify --hold" | "/certify --seed" | "/certify --jobs" | "/backtest --from" | "/backtest --to" | "/backtest --step" | "/backtest --sweep" | "/backtest --hold" | "/abtest/size --baseline" | "/abtest/size --effect" | "/abtest/size --power" | "/abtest/size --alpha" | "/abtest/size --arms" | "/abtest/size --traffic" | "/abtest/size --watch" | "/abtest/analyze --control" | "/abtest/analyze --canary" | "/abtest/analyze --arm" | "/abtest/analyze --alpha" | "/abtest/analyze --split" | "/start --junit" | "/start --summary" | "/start --reason" | "/list --limit" | "/wait --timeout" | "/approve --reason" | "/reject --reason" | "/promote --timeout" | "/promote --reason" | "/pause --reason" | "/resume --reason" | "/rollback --reason" | "/abort --reason" | "/explain --step" | "/report --out" | "/kill --shadow" | "/kill --reason" | "/agent --poll" | "/agent --listen")
            takes=nothing ;;
        "/init --control" | "/init --canary" | "/kill --to")
            takes=arm ;;
        "/init --source")
            takes=source choices='prometheus openmetrics' ;;
        "/lint --input" | "/lint -i" | "/doctor --input" | "/doctor -i" | "/plan --input" | "/plan -i" | "/check --input" | "/check -i" | "/verify --input" | "/verify -i" | "/simulate --input" | "/simulate -i" | "/certify --input" | "/certify -i" | "/backtest --input" | "/backtest -i" | "/abtest/size --input" | "/abtest/size -i" | "/start --input" | "/start -i" | "/kill --input" | "/kill -i")
            takes=input ;;
        "/doctor --store" | "/plan --store" | "/backtest --csv" | "/backtest --incidents" | "/abtest/analyze --csv" | "/start --store" | "/status --store" | "/watch --store" | "/list --store" | "/wait --store" | "/approve --store" | "/reject --store" | "/promote --store" | "/pause --store" | "/resume --store" | "/rollback --store" | "/abort --store" | "/explain --store" | "/report --store" | "/kill --store" | "/tick --store" | "/agent --store")
            takes=file ;;
        "/plan --against" | "/start --id")
            takes=rollout ;;
        "/check --gate" | "/explain --gate")
            takes=gate ;;
        "/verify --playbook" | "/abtest/size --playbook" | "/kill --playbook")
            takes=playbook ;;
        "/simulate --shape" | "/certify --shape")
            takes=choice choices='steady diurnal bursty autocorrelated clustered' ;;
        "/simulate --fault" | "/simulate --answer" | "/certify --answer" | "/backtest --answer")
            takes=gate-value ;;
        "/backtest --source")
            takes=source ;;
        "/abtest/analyze --want")
            takes=choice choices='increase decrease' ;;
        "/start --on-exit")
            takes=choice choices='rollback leave' ;;
        "/wait --for")
            takes=choice choices='done human' ;;
        "/explain --output" | "/explain -o")
            takes=choice choices='table json ndjson yaml markdown' ;;
        "/report --format" | "/report -f")
            takes=choice choices='html markdown' ;;
        *) return 1 ;;
    esac
}

_rolloutctl_argument() {
    takes='' choices='' many=''
    case "$1" in
        '')
            takes=choice choices='demo advise init help lint doctor plan check verify simulate certify backtest abtest schema completions start status watch list wait approve reject promote pause resume rollback abort explain report kill tick agent' ;;
        /help) takes=choice choices='language gates steps providers sources notifiers events kill exit-codes environment demo advise init help lint doctor plan check verify simulate certify backtest abtest schema completions start status watch list wait approve reject promote pause resume rollback abort explain report kill tick agent' ;;
        /lint) takes=playbook many=1 ;;
        /doctor) takes=playbook ;;
        /plan) takes=playbook ;;
        /check) takes=playbook ;;
        /verify) takes=target ;;
        /simulate) takes=playbook ;;
        /certify) takes=playbook ;;
        /backtest) takes=playbook ;;
        /abtest)
            takes=choice choices='size analyze' ;;
        /schema) takes=choice choices='playbook events' ;;
        /completions) takes=choice choices='bash zsh fish' ;;
        /start) takes=playbook ;;
        /status) takes=rollout ;;
        /watch) takes=rollout ;;
        /wait) takes=rollout ;;
        /approve) takes=rollout ;;
        /reject) takes=rollout ;;
        /promote) takes=rollout ;;
        /pause) takes=rollout ;;
        /resume) takes=rollout ;;
        /rollback) takes=rollout ;;
        /abort) takes=rollout ;;
        /explain) takes=rollout ;;
        /report) takes=rollout ;;
        /kill) takes=subject ;;
    esac
}

_rolloutctl_offer() {
    local value
    while IFS= read -r value; do
        value=${value%%$'\t'*}
        [[ $value == "$cur"* ]] && COMPREPLY+=("$prefix$value")
    done
}

_rolloutctl_complete() {
    case "$takes" in
        choice) _rolloutctl_offer < <(printf '%s\n' $choices) ;;
        file | folder | playbook)
            compopt -o filenames 2>/dev/null
            local path
            while IFS= read -r path; do
                [[ -d $path || $takes == file ]] && COMPREPLY+=("$prefix$path")
                [[ $takes == playbook && ! -d $path && ($path == *.yaml || $path == *.yml) ]] &&
                    COMPREPLY+=("$prefix$path")
            done < <(compgen -f -- "$cur")
            ;;
        nothing | '') ;;
        *)
            _rolloutctl_offer < <(
                "${words[0]}" __complete "$takes" "$cur" "${words[@]:1}" 2>/dev/null
            )
            ;;
    esac
}

_rolloutctl() {
    local line=${COMP_LINE:0:COMP_POINT} words cur prefix='' path='' option='' takes choices many
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    local last=$((${#words[@]} - 1)) given=0 i
    cur=${words[last]}
    for ((i = 1; i < last; i++)); do
        case "$path/${words[i]}" in
            /demo|/advise|/init|/help|/lint|/doctor|/plan|/check|/verify|/simulate|/certify|/backtest|/abtest|/abtest/size|/abtest/analyze|/schema|/completions|/start|/status|/watch|/list|/wait|/approve|/reject|/promote|/pause|/resume|/rollback|/abort|/explain|/report|/kill|/tick|/agent) path="$path/${words[i]}"; given=0 ;;
            *)
                if [[ ${words[i]} == -* ]]; then
                    [[ ${words[i]} != *=* ]] && _rolloutctl_takes "$path" "${words[i]}" && ((i++))
                else
                    ((given++))
                fi
                ;;
        esac
    done
    if [[ $cur == --*=* ]]; then
        option=${cur%%=*} prefix="$option=" cur=${cur#*=}
    elif ((last > 1)) && [[ ${words[last - 1]} == -* ]]; then
        option=${words[last - 1]}
    fi
    if [[ -n $option ]] && _rolloutctl_takes "$path" "$option"; then
        _rolloutctl_complete
    elif [[ $cur == -* ]]; then
        case "$path" in
            '') _rolloutctl_offer < <(printf '%s\n' --help --version) ;;
            /demo)
                _rolloutctl_offer < <(printf '%s\n' --regression --hands-on --keep --output --help) ;;
            /advise)
                _rolloutctl_offer < <(printf '%s\n' --change --goal --mirror --back --output --help) ;;
            /init)
                _rolloutctl_offer < <(printf '%s\n' --strategy --provider --flag --control --canary --place --source --metrics --name --out --force --help) ;;
            /help)
                _rolloutctl_offer < <(printf '%s\n' --help) ;;
            /lint)
                _rolloutctl_offer < <(printf '%s\n' --input --output --help) ;;
            /doctor)
                _rolloutctl_offer < <(printf '%s\n' --input --store --output --help) ;;
            /plan)
                _rolloutctl_offer < <(printf '%s\n' --input --traffic --bad-share --against --store --output --help) ;;
            /check)
                _rolloutctl_offer < <(printf '%s\n' --gate --wait --input --output --help) ;;
            /verify)
                _rolloutctl_offer < <(printf '%s\n' --playbook --control --canary --shadow --units --input --output --help) ;;
            /simulate)
                _rolloutctl_offer < <(printf '%s\n' --traffic --shape --fault --answer --seed --units --hold --input --output --help) ;;
            /certify)
                _rolloutctl_offer < <(printf '%s\n' --runs --traffic --shape --effect --power --answer --hold --seed --jobs --input --output --help) ;;
            /backtest)
                _rolloutctl_offer < <(printf '%s\n' --from --to --csv --source --step --incidents --sweep --answer --hold --input --output --help) ;;
            /abtest)
                _rolloutctl_offer < <(printf '%s\n' --help) ;;
            /abtest/size)
                _rolloutctl_offer < <(printf '%s\n' --baseline --effect --power --alpha --arms --traffic --playbook --watch --input --output --help) ;;
            /abtest/analyze)
                _rolloutctl_offer < <(printf '%s\n' --control --canary --arm --csv --alpha --want --split --output --help) ;;
            /schema)
                _rolloutctl_offer < <(printf '%s\n' --help) ;;
            /completions)
                _rolloutctl_offer < <(printf '%s\n' --help) ;;
            /start)
                _rolloutctl_offer < <(printf '%s\n' --auto --approve-all --detach --dry-run --id --on-exit --input --junit --summary --reason --store --output --help) ;;
            /status)
                _rolloutctl_offer < <(printf '%s\n' --look --store --output --help) ;;
            /watch)
                _rolloutctl_offer < <(printf '%s\n' --store --output --help) ;;
            /list)
                _rolloutctl_offer < <(printf '%s\n' --open --limit --store --output --help) ;;
            /wait)
                _rolloutctl_offer < <(printf '%s\n' --for --timeout --store --output --help) ;;
            /approve)
                _rolloutctl_offer < <(printf '%s\n' --reason --store --output --help) ;;
            /reject)
                _rolloutctl_offer < <(printf '%s\n' --reason --store --output --help) ;;
            /promote)
                _rolloutctl_offer < <(printf '%s\n' --override --full --timeout --reason --store --output --help) ;;
            /pause)
                _rolloutctl_offer < <(printf '%s\n' --reason --store --output --help) ;;
            /resume)
                _rolloutctl_offer < <(printf '%s\n' --reapply --reason --store --output --help) ;;
            /rollback)
                _rolloutctl_offer < <(printf '%s\n' --reason --store --output --help) ;;
            /abort)
                _rolloutctl_offer < <(printf '%s\n' --reason --store --output --help) ;;
            /explain)
                _rolloutctl_offer < <(printf '%s\n' --step --gate --replay --all --store --output --help) ;;
            /report)
                _rolloutctl_offer < <(printf '%s\n' --format --out --force --store --help) ;;
            /kill)
                _rolloutctl_offer < <(printf '%s\n' --to --shadow --playbook --all --stop-foreign --input --reason --store --output --help) ;;
            /tick)
                _rolloutctl_offer < <(printf '%s\n' --store --output --help) ;;
            /agent)
                _rolloutctl_offer < <(printf '%s\n' --poll --listen --store --output --help) ;;
        esac
    else
        _rolloutctl_argument "$path"
        [[ $given -eq 0 || -n $many ]] && _rolloutctl_complete
    fi
    # After an equals sign comes more; and bash replaces from its last word break only.
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    local whole=$prefix$cur head=''
    [[ $whole == *[:=]* ]] && head=${whole%"${whole##*[:=]}"}
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$head"}
    done
}

complete -F _rolloutctl rolloutctl
