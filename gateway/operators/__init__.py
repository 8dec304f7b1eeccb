"""Operations of people on conversations and dead letters, shared by the admin API and the console."""
