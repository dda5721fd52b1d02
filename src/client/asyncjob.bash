# bash completion for asyncjob; installed as
# /usr/share/bash-completion/completions/asyncjob

_asyncjob()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands='submit watch status result artifacts report cancel retry list check queues pipelines quiesce resume top dead load'
    local connection='--host --port --username --dbname --no-password --password --help --version'
    local command='' word i conn=() skip=0

    # the command, and the connection options before and after it
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ $skip = 1 ]; then
            conn+=("$word")
            skip=0
            continue
        fi
        case $word in
            -h|-p|-U|-d|--host|--port|--username|--dbname)
                conn+=("$word")
                skip=1
                ;;
            -*) ;;
            *) [ -n "$command" ] || command=$word ;;
        esac
    done

    case $prev in
        --priority) COMPREPLY=($(compgen -W 'low medium high urgent' -- "$cur")); return ;;
        --state) COMPREPLY=($(compgen -W 'queued running waiting completed failed cancelled' -- "$cur")); return ;;
        --save) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --queue)
            COMPREPLY=($(compgen -W "$(asyncjob "${conn[@]}" -w queues 2>/dev/null | sed 1d | cut -d' ' -f1)" -- "$cur"))
            return ;;
        -h|--host) COMPREPLY=($(compgen -A hostname -- "$cur")); return ;;
    esac
    if [[ $cur == -* ]]; then
        local options=
        case $command in
            submit) options='--wait --watch --queue --priority --run-at --session --user --unique-key --plain --json' ;;
            watch) options='--session --all --plain --json' ;;
            status|queues|pipelines|check) options='--json' ;;
            list) options='--state --session --user --limit --json' ;;
            artifacts) options='--save --json' ;;
            report) options='--open' ;;
            retry) options='--watch --plain' ;;
            dead) options='--queue --pipeline --all --limit --json' ;;
            load) options='--name --epsg --json' ;;
        esac
        COMPREPLY=($(compgen -W "$options $connection" -- "$cur"))
        return
    fi
    case $command in
        '') COMPREPLY=($(compgen -W "$commands" -- "$cur")) ;;
        watch|status|result|artifacts|report|cancel|retry)
            COMPREPLY=($(compgen -W "$(asyncjob "${conn[@]}" -w list --limit 50 2>/dev/null | sed 1d | awk '{print $1}')" -- "$cur")) ;;
        queues|pipelines)
            if [ "$prev" = "$command" ]; then
                COMPREPLY=($(compgen -W 'pause resume' -- "$cur"))
            else
                COMPREPLY=($(compgen -W "$(asyncjob "${conn[@]}" -w "$command" 2>/dev/null | sed 1d | cut -d' ' -f1)" -- "$cur"))
            fi ;;
        quiesce)
            COMPREPLY=($(compgen -W "$(asyncjob "${conn[@]}" -w queues 2>/dev/null | sed 1d | cut -d' ' -f1)" -- "$cur")) ;;
        dead) COMPREPLY=($(compgen -W 'list show redrive purge' -- "$cur")) ;;
        load)
            if [ "$prev" = load ]; then
                COMPREPLY=($(compgen -W 'dem site wind turbine telemetry' -- "$cur"))
            else
                COMPREPLY=($(compgen -f -- "$cur"))
            fi ;;
    esac
}
complete -F _asyncjob asyncjob
