-- ARGV[4] topic, text.
announce(ARGV[4], '!', NODE, '-', ARGV[5])
return 1
