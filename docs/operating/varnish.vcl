vcl 4.1;

# Varnish before Stentor: HLS is asked of an edge once, however many players ask for it.

import std;

backend stentor {
    .host = "127.0.0.1";
    .port = "8080";
    # A playlist is waited for 12 s at most, an answer from web 30 s.
    .first_byte_timeout = 40s;
}

sub vcl_recv {
    # Only what ends TLS before this one may say so: take the line out if something does.
    unset req.http.X-Forwarded-Proto;

    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/s/[^/?]+/hls/") {
        # Other arguments would only make more addresses of the same thing.
        if (req.url ~ "[?&](?!_HLS_(msn|part|skip)=)") {
            set req.url = regsub(req.url, "\?.*", "");
        }
        set req.url = std.querysort(req.url);
        # A ticket may come along: it decides whether the edge answers, and never what.
        set req.http.Cookie = regsub(req.http.Cookie, "^(?:.*; ?)?(stentor-ticket=[^;]*).*$|^.*$", "\1");
        unset req.http.Authorization;
        return (hash);
    }
    if (req.url ~ "^/s/[^/?]+/live/") {
        return (pipe);
    }
    return (pass);
}

sub vcl_pipe {
    # A live response has no successor on its connection.
    set bereq.http.Connection = "close";
}

sub vcl_backend_response {
    if (bereq.url ~ "^/s/[^/?]+/hls/") {
        # An old playlist is worse than one that is waited for.
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        # Else a refusal would let everybody through who asks the same, for two minutes.
        if (beresp.http.Cache-Control ~ "no-store") {
            # It is one player's: whoever asks the same in this second is asked for by themselves.
            set beresp.ttl = 1s;
            set beresp.uncacheable = true;
        } else if (beresp.status >= 400) {
            set beresp.ttl = 1s;
        }
        return (deliver);
    }
}
