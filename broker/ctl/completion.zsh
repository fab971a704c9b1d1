#compdef brokerctl
# zsh completion of brokerctl: source <(brokerctl completion zsh), behind compinit
_brokerctl() {
	local candidate
	local -a found
	while IFS= read -r candidate; do
		case $candidate in
		:files) _files ;;
		:programs) _command_names -e ;;
		*) found+=("${candidate%%$'\t'*}") ;;
		esac
	done < <(brokerctl complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
	compadd -a found
}
compdef _brokerctl brokerctl
