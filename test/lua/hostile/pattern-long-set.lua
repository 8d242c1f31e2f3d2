-- over
return string.rep('a', 100000):find('[' .. string.rep('bcdef', 50000) .. ']')
