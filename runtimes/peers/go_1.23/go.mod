module overlap/peers/go

go 1.23
