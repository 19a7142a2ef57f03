# An iRule of the old days: tabs, braces of its own, no priorities.
when CLIENT_ACCEPTED
{
	set found 0
	if {[IP::addr [IP::client_addr] equals 10.0.0.0/8]}{
		set found 1
	}
	else
	{
		snat automap
	}
}
when HTTP_REQUEST {
	if {$found == 1}
	{
		pool inside_pool
	}
	elseif {[HTTP::header User-Agent] contains "bot" || [HTTP::uri] contains "robots"} {
		discard
	} else {
		set uri [string map {"/old/" "/new/"} [HTTP::uri]]
		if {[HTTP::uri] ne $uri} { HTTP::uri $uri }
		persist source_addr 300
	}
}
