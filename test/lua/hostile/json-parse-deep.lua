-- contained
return pcall(kumo.serde.json_parse, string.rep('[', 1000000))
