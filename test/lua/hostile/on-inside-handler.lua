-- raises: while the policy is loaded
kumo.on('other', function() end)
