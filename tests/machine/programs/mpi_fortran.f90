! MPI from Fortran: ping-pong, a ring, reductions with an operation of the program, datatypes,
! attributes, strings. Checks itself; the last line of rank 0 is "fortran: fine".
module parts
  use mpi
  implicit none
  integer :: rank, size, ierror
contains
  subroutine check(condition, text)
    logical, intent(in) :: condition
    character(len=*), intent(in) :: text
    if (condition) return
    print *, 'rank ', rank, ': ', text
    call MPI_Abort(MPI_COMM_WORLD, 3, ierror)
  end subroutine

  subroutine ping_pong(length, rounds)
    integer, intent(in) :: length, rounds
    double precision :: numbers(length)
    integer :: i, status(MPI_STATUS_SIZE), got
    if (size < 2 .or. rank > 1) return
    do i = 1, rounds
      if (rank == 0) then
        numbers = i
        call MPI_Send(numbers, length, MPI_DOUBLE_PRECISION, 1, 7, MPI_COMM_WORLD, ierror)
        call MPI_Recv(numbers, length, MPI_DOUBLE_PRECISION, 1, 8, MPI_COMM_WORLD, status, ierror)
        call check(all(numbers == i + 0.5d0), 'ping-pong brought something else')
        call check(status(MPI_SOURCE) == 1 .and. status(MPI_TAG) == 8, 'status of a message')
        call MPI_Get_count(status, MPI_DOUBLE_PRECISION, got, ierror)
        call check(got == length, 'length of a message')
      else
        call MPI_Recv(numbers, length, MPI_DOUBLE_PRECISION, 0, 7, MPI_COMM_WORLD, &
                      MPI_STATUS_IGNORE, ierror)
        numbers = numbers + 0.5d0
        call MPI_Send(numbers, length, MPI_DOUBLE_PRECISION, 0, 8, MPI_COMM_WORLD, ierror)
      end if
    end do
  end subroutine

  subroutine ring()
    integer :: requests(2), statuses(MPI_STATUS_SIZE, 2), out, in
    out = rank
    call MPI_Irecv(in, 1, MPI_INTEGER, modulo(rank - 1, size), 1, MPI_COMM_WORLD, requests(1), ierror)
    call MPI_Isend(out, 1, MPI_INTEGER, modulo(rank + 1, size), 1, MPI_COMM_WORLD, requests(2), ierror)
    call MPI_Waitall(2, requests, statuses, ierror)
    call check(in == modulo(rank - 1, size), 'the ring')
    call check(all(requests == MPI_REQUEST_NULL), 'requests stay')
    call check(statuses(MPI_SOURCE, 1) == in, 'statuses')
  end subroutine

  subroutine greatest(in, inout, length, type)
    integer :: length, type
    integer :: in(length), inout(length)
    call check(type == MPI_INTEGER, 'the type in an operation')
    inout = max(in, inout)
  end subroutine

  subroutine reductions()
    integer :: op, mine(3), all_of_them(3)
    double precision :: total
    logical :: commutes
    mine = [rank, -rank, 5]
    call MPI_Allreduce(mine, all_of_them, 3, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierror)
    call check(all_of_them(1) == size * (size - 1) / 2 .and. all_of_them(3) == 5 * size, 'a sum')
    total = rank + 1
    call MPI_Allreduce(MPI_IN_PLACE, total, 1, MPI_DOUBLE_PRECISION, MPI_PROD, MPI_COMM_WORLD, ierror)
    call check(abs(total - gamma(size + 1d0)) < 0.5d0, 'a product in place')
    call MPI_Op_create(greatest, .true., op, ierror)
    call MPI_Op_commutative(op, commutes, ierror)
    call check(commutes, 'an operation that commutes')
    call MPI_Allreduce(mine, all_of_them, 3, MPI_INTEGER, op, MPI_COMM_WORLD, ierror)
    call check(all(all_of_them == [size - 1, 0, 5]), 'an operation of the program')
    call MPI_Op_free(op, ierror)
    call check(op == MPI_OP_NULL, 'a freed operation')
  end subroutine

  subroutine datatypes()
    integer :: column, matrix(4, 3), row(3), kinds(2), lengths(2), both, position, i
    integer(kind=MPI_ADDRESS_KIND) :: places(2), lb, extent
    character :: packed(64)
    integer, volatile :: number ! changed behind the compiler's back
    double precision, volatile :: value
    matrix = reshape([(i, i = 1, 12)], [4, 3])
    call MPI_Type_vector(3, 1, 4, MPI_INTEGER, column, ierror)
    call MPI_Type_commit(column, ierror)
    position = 0
    call MPI_Pack(matrix(2, 1), 1, column, packed, 64, position, MPI_COMM_WORLD, ierror)
    call check(position == 12, 'a packed row')
    position = 0
    call MPI_Unpack(packed, 64, position, row, 3, MPI_INTEGER, MPI_COMM_WORLD, ierror)
    call check(all(row == [2, 6, 10]), 'a row of a matrix')
    call MPI_Get_address(number, places(1), ierror)
    call MPI_Get_address(value, places(2), ierror)
    kinds = [MPI_INTEGER, MPI_DOUBLE_PRECISION]
    lengths = 1
    call MPI_Type_create_struct(2, lengths, places, kinds, both, ierror)
    call MPI_Type_commit(both, ierror)
    number = 17
    value = 2.5d0
    position = 0
    call MPI_Pack(MPI_BOTTOM, 1, both, packed, 64, position, MPI_COMM_WORLD, ierror)
    number = 0
    value = 0
    position = 0
    call MPI_Unpack(packed, 64, position, MPI_BOTTOM, 1, both, MPI_COMM_WORLD, ierror)
    call check(number == 17 .and. value == 2.5d0, 'addresses from MPI_BOTTOM on')
    call MPI_Type_get_extent(column, lb, extent, ierror)
    call check(lb == 0 .and. extent == 36, 'an extent')
    call MPI_Type_free(column, ierror)
    call MPI_Type_free(both, ierror)
  end subroutine

  ! C finds the address of what Fortran has set; what C has set is an address for both.
  subroutine attributes_in_c(comm, keyval)
    use iso_c_binding
    integer, intent(in) :: comm, keyval
    integer(kind=MPI_ADDRESS_KIND), pointer :: number
    integer(kind=MPI_ADDRESS_KIND) :: value
    integer(c_int), target :: theirs
    integer(c_int) :: flag
    type(c_ptr) :: address
    logical :: found
    interface
      type(c_ptr) function comm_in_c(number) bind(C, name='MPI_Comm_f2c')
        import
        integer(c_int), value :: number
      end function
      integer(c_int) function get(comm, keyval, address, flag) bind(C, name='MPI_Comm_get_attr')
        import
        type(c_ptr), value :: comm
        integer(c_int), value :: keyval
        type(c_ptr) :: address
        integer(c_int) :: flag
      end function
      integer(c_int) function set(comm, keyval, address) bind(C, name='MPI_Comm_set_attr')
        import
        type(c_ptr), value :: comm, address
        integer(c_int), value :: keyval
      end function
    end interface
    call check(get(comm_in_c(comm), keyval, address, flag) == 0 .and. flag /= 0, 'an attribute in C')
    call c_f_pointer(address, number)
    call check(number == -77, 'an attribute of Fortran in C')
    call check(set(comm_in_c(comm), keyval, c_loc(theirs)) == 0, 'an attribute set in C')
    call MPI_Comm_get_attr(comm, keyval, value, found, ierror)
    call check(found .and. value == transfer(c_loc(theirs), value), 'an attribute of C in Fortran')
    call check(get(comm_in_c(comm), keyval, address, flag) == 0, 'an attribute of C in C')
    call check(c_associated(address, c_loc(theirs)), 'an attribute of C in C')
  end subroutine

  subroutine attributes()
    integer :: keyval, copy
    integer(kind=MPI_ADDRESS_KIND) :: extra, value
    logical :: found
    extra = 3
    call MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, keyval, extra, ierror)
    value = -77
    call MPI_Comm_set_attr(MPI_COMM_WORLD, keyval, value, ierror)
    call MPI_Comm_dup(MPI_COMM_WORLD, copy, ierror)
    value = 0
    call MPI_Comm_get_attr(copy, keyval, value, found, ierror)
    call check(found .and. value == -77, 'an attribute of a duplicate')
    call attributes_in_c(MPI_COMM_WORLD, keyval)
    call attributes_in_c(copy, keyval)
    call MPI_Comm_free(copy, ierror)
    call MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, found, ierror)
    call check(found .and. value >= 32767, 'MPI_TAG_UB')
    call MPI_Comm_free_keyval(keyval, ierror)
  end subroutine

  subroutine strings()
    character(len=MPI_MAX_OBJECT_NAME) :: name
    character(len=10) :: text
    integer :: length, info
    logical :: found
    call MPI_Comm_get_name(MPI_COMM_WORLD, name, length, ierror)
    call check(name == 'MPI_COMM_WORLD' .and. length == 14, 'a name: ' // name)
    call MPI_Info_create(info, ierror)
    call MPI_Info_set(info, 'colour  ', 'light blue as the sky  ', ierror)
    call MPI_Info_get(info, 'colour', 10, text, found, ierror)
    call check(found .and. text == 'light blue', 'an info: ' // text)
    call MPI_Info_get(info, 'smell', 10, text, found, ierror)
    call check(.not. found, 'an info that was not set')
    call MPI_Info_free(info, ierror)
  end subroutine

  subroutine grid()
    integer :: comm, dims(2), coords(2), below, above, out(4), in(4), i
    logical :: periods(2)
    dims = 0
    periods = [.true., .false.]
    call MPI_Dims_create(size, 2, dims, ierror)
    call MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, .false., comm, ierror)
    periods = .false.
    call MPI_Cart_get(comm, 2, dims, periods, coords, ierror)
    call check(periods(1) .and. .not. periods(2), 'periods')
    call MPI_Cart_shift(comm, 0, 1, below, above, ierror)
    out = [(rank * 10 + i, i = 1, 4)]
    in = -1
    call MPI_Neighbor_alltoall(out, 1, MPI_INTEGER, in, 1, MPI_INTEGER, comm, ierror)
    call check(in(1) == below * 10 + 2 .and. in(2) == above * 10 + 1, 'neighbours')
    call MPI_Comm_free(comm, ierror)
  end subroutine
end module

program fortran
  use parts
  implicit none
  double precision :: start
  call MPI_Init(ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierror)
  start = MPI_Wtime()
  call ping_pong(1, 200)
  call ping_pong(100000, 5)
  call ring()
  call reductions()
  call datatypes()
  call attributes()
  call strings()
  call grid()
  call check(MPI_Wtime() >= start, 'time went back')
  call MPI_Barrier(MPI_COMM_WORLD, ierror)
  if (rank == 0) print '(a)', 'fortran: fine'
  call MPI_Finalize(ierror)
end program
