# bash completion of brokerctl: source <(brokerctl completion bash)
_brokerctl() {
	local current=${COMP_WORDS[COMP_CWORD]} candidate
	COMPREPLY=()
	while IFS= read -r candidate; do
		case $candidate in
		:files) compopt -o filenames; COMPREPLY+=($(compgen -f -- "$current")) ;;
		:programs) COMPREPLY+=($(compgen -c -- "$current")) ;;
		"$current"*) COMPREPLY+=("${candidate%%$'\t'*}") ;;
		esac
	done < <(brokerctl complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _brokerctl brokerctl
