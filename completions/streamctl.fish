# fish completion for streamctl; made by: streamctl completion fish
function __streamctl_complete
    type -q streamctl; or return
    set -l token (commandline -ct)
    # The value after --output= is a word of its own to the program.
    set -l kept (string match -r -- '^--[^=]+=' "$token")
    for each in (streamctl __complete -- (commandline -cp | string collect) 2>/dev/null </dev/null)
        switch $each
            case \tfiles
                printf "$kept%s\n" (__fish_complete_path (string replace -- "$kept" '' "$token"))
            case \t'*'
            case '*'
                echo "$kept$each"
        end
    end
end
complete -c streamctl -f -a '(__streamctl_complete)'
