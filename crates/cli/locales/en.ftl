error-word = error
hint-word = hint
run-recipients = { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
}
