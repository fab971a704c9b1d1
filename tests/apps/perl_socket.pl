#!/usr/bin/perl
# IO::Socket::INET: blocking accept, one connection at a time.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $ARGV[0],
    Proto     => 'tcp',
    Listen    => 128,
    ReuseAddr => 1,
) or die "listen: $@";

while (1) {
    my $client = $listener->accept or next;
    my $request = <$client>;
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?\n$/;
    }
    if (defined $request and $request =~ m{^GET (/\w*)(?:\?(\S*))? }) {
        my ($path, %query) = ($1, map { split /=/, $_, 2 } split /&/, $2 // '');
        kill 'KILL', $$ if $path eq '/crash';
        select undef, undef, undef, $query{ms} / 1000 if $path eq '/slow';
        my $body = "pid=$$ id=" . ($query{id} // 'none') . "\n";
        $body = join '', map { "$_=$ENV{$_}\n" } grep { /^BROKER_/ } keys %ENV if $path eq '/env';
        print $client "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ",
            length $body, "\r\n\r\n", $body;
    }
    close $client;
}
