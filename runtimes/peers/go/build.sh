#!/bin/sh
# pgx, the client of query, is no part of Go: built with it where Debian's package is. Other packages are the
# standard library's, so that none is looked for elsewhere.
set -eu
tags=
if [ -e "$GOPATH/src/github.com/jackc/pgx/v4/conn.go" ]; then
    tags=pgx
fi
exec /usr/bin/go build -buildvcs=false -tags "$tags" -o "$BUILD/peer" .
