! The same as ring.c: a token goes from rank to rank, HOPS times whatever their number.
program ring
  use mpi
  implicit none
  integer, parameter :: long = selected_int_kind(18), hops = 480
  integer(long) :: token(1), out(1), expected
  integer :: rank, size, hop, sending, ierror

  call MPI_Init(ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierror)
  token = 1
  sending = MPI_REQUEST_NULL
  do hop = rank, hops - 1, size
    if (hop > 0) call MPI_Recv(token, 1, MPI_INTEGER8, mod(hop - 1, size), hop, MPI_COMM_WORLD, &
                               MPI_STATUS_IGNORE, ierror)
    token(1) = work(token(1), hop)
    ! Not MPI_Send: a ring of one sends to itself, and receives only then.
    call MPI_Wait(sending, MPI_STATUS_IGNORE, ierror)
    out = token
    call MPI_Isend(out, 1, MPI_INTEGER8, mod(hop + 1, size), hop + 1, MPI_COMM_WORLD, sending, ierror)
  end do
  if (rank == mod(hops, size)) then
    call MPI_Recv(token, 1, MPI_INTEGER8, mod(hops - 1, size), hops, MPI_COMM_WORLD, &
                  MPI_STATUS_IGNORE, ierror)
    expected = 1
    do hop = 0, hops - 1
      expected = work(expected, hop)
    end do
    if (token(1) /= expected) then
      print *, 'ring: the token is ', token(1), ', not ', expected
      call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
    end if
    print '(a, i0, a, i0)', 'ring: ', hops, ' hops, token ', token(1)
  end if
  call MPI_Wait(sending, MPI_STATUS_IGNORE, ierror)
  call MPI_Finalize(ierror)
contains
  integer(long) function work(value, number)
    integer(long), intent(in) :: value
    integer, intent(in) :: number
    work = mod(value * 16807_long + number, 2147483647_long)
  end function
end program
