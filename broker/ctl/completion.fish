# fish completion of brokerctl: brokerctl completion fish | source
function __brokerctl_complete
	set -l words (commandline -opc) (commandline -ct)
	for candidate in (brokerctl complete -- $words[2..-1] 2>/dev/null)
		switch $candidate
			case :files
				__fish_complete_path (commandline -ct)
			case :programs
				__fish_complete_command
			case '*'
				printf '%s\n' $candidate
		end
	end
end
complete -c brokerctl -f -a '(__brokerctl_complete)'
